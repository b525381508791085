"""p5rec: a unified generative recommender with parameter-efficient fine-tuning."""

__version__ = "0.1.0"
