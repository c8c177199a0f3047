// Browsers start no worker from a file. There, the search's worker runs in a hidden frame instead.
// The name of this file keeps the theme from loading such a script from the network.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(address) {
      const frame = document.createElement("iframe");
      frame.hidden = true;
      this.inside = new Promise((started) => {
        frame.onload = () => {
          const inside = frame.contentWindow;
          inside.postMessage = (data) => this.onmessage({ data: structuredClone(data) });
          const script = inside.document.createElement("script");
          script.onload = () => started(inside);
          script.src = new URL(address, document.baseURI);
          inside.document.head.append(script);
        };
      });
      document.documentElement.append(frame);
    }

    async postMessage(data) {
      (await this.inside).onmessage({ data: structuredClone(data) });
    }
  };
}
