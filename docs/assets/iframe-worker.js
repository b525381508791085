/* A page opened from disk may start no worker. There the search runs in a hidden frame instead,
   which knows messages under the names that a worker knows them by. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc =
        "<script>" +
        "var importScripts = (...urls) => urls.reduce((before, url) => before.then(() =>" +
        "  new Promise((done, failed) => {" +
        "    const script = document.createElement('script');" +
        "    Object.assign(script, {src: url, onload: done, onerror: failed});" +
        "    document.head.append(script); })), Promise.resolve());" +
        "<\/script>";
      this.frame.addEventListener("load", () => this.start(url), { once: true });
      document.body.append(this.frame);
    }

    start(url) {
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = inside.document.createElement("script");
      script.src = url;
      script.onload = () => {
        this.waiting.forEach((data) => this.send(data));
        this.waiting = null;
      };
      inside.document.head.append(script);
    }

    send(data) {
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }

    postMessage(data) {
      this.waiting ? this.waiting.push(data) : this.send(data);
    }

    terminate() {
      this.frame.remove();
    }
  };
}
