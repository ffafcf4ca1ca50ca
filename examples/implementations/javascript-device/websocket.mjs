// A device in the real world: over a WebSocket, and with Node's timers.

import WebSocket from "ws";
import { Device } from "./device.mjs";

/**
 * @param {string} url of the server, such as ws://127.0.0.1:7878/v1
 * @param {{userId: string, deviceId: string, platform: string, userSig?: string}} identity
 * @returns {Device} not logged in yet
 */
export function deviceAt(url, identity) {
  /** @type {WebSocket | undefined} */
  let socket;
  const transport = {
    connect() {
      const opened = (socket = new WebSocket(url, "convoke.v1"));
      // What comes from a socket that was given up is not heard.
      const current = () => opened === socket;
      opened.on("open", () => current() && device.connected());
      opened.on("message", (data) => current() && device.received(JSON.parse(data.toString())));
      opened.on("error", () => {}); // and then it closes
      opened.on("close", () => current() && device.disconnected());
    },
    /** @param {object} message */
    send(message) {
      socket?.send(JSON.stringify(message), () => {}); // what is lost with its connection is repeated
    },
    disconnect() {
      const closing = socket;
      socket = undefined;
      closing?.close();
    },
  };
  /** @type {import("./device.mjs").After} */
  const after = (milliseconds, then) => {
    const timer = setTimeout(then, milliseconds);
    return () => clearTimeout(timer);
  };
  const idPrefix = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  const device = new Device(identity, { transport, after, idPrefix });
  return device;
}
