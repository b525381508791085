"""``p5rec doctor``: prints library versions, devices and the cache."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor() -> None:
    """Print versions, devices and the cache."""
    import os
    import platform

    from p5rec.core.artefacts import library_versions
    from p5rec.core.paths import assets, cache_home

    print(f"python        {platform.python_version()} on {platform.platform()}")
    for name, version in library_versions().items():
        print(f"{name:<13} {version}")
    print(f"cpu           {os.cpu_count()} cores")
    for line in _devices():
        print(line)
    home = cache_home()
    size = sum(p.stat().st_size for p in home.rglob("*") if p.is_file()) if home.exists() else 0
    print(f"cache         {home} ({size / 1e6:.0f} MB)")
    for kind in ("prompts", "recipes"):
        print(f"{kind:<13} {assets(kind)}")


def _devices() -> list[str]:
    try:
        import torch
    except ImportError:
        return ["torch         absent: pip install torch, then p5rec again"]
    if not torch.cuda.is_available():
        from p5rec.backbones.precision import dtype_of

        native = dtype_of("bfloat16") == torch.bfloat16
        return [
            f"gpu           none; torch uses {torch.get_num_threads()} threads",
            f"bfloat16      {'native' if native else 'not on this CPU; float32 is used instead'}",
        ]
    return [
        f"gpu           {torch.cuda.get_device_name(i)}, "
        f"{torch.cuda.get_device_properties(i).total_memory / 1e9:.0f} GB"
        for i in range(torch.cuda.device_count())
    ]
