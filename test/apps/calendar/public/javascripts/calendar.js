// Live updates: the part of Action Cable's protocol that a list of events needs.
(function () {
  const meta = document.querySelector("meta[name=action-cable-url]");
  const live = document.getElementById("live");
  const identifier = JSON.stringify({ channel: "EventsChannel" });
  let delay = 500;

  function show(on) {
    live.classList.toggle("on", on);
    live.textContent = on ? "live" : "offline";
  }

  async function refresh() {
    const list = document.getElementById("events");
    if (!list) return;
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    for (const id of ["events", "summary"]) {
      document.getElementById(id).replaceWith(page.getElementById(id));
    }
  }

  function connect() {
    const url = new URL(meta ? meta.content : "/cable", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, ["actioncable-v1-json", "actioncable-unsupported"]);
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "welcome") {
        socket.send(JSON.stringify({ command: "subscribe", identifier }));
      } else if (message.type === "confirm_subscription") {
        show(true);
        delay = 500;
      } else if (message.message) {
        refresh();
      }
    };
    socket.onclose = () => {
      show(false);
      setTimeout(connect, delay);
      delay = Math.min(delay * 2, 30000);
    };
  }

  connect();
})();
