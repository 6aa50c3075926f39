// Ollama's client for Node: `node ollama.mjs STEP URL MODEL` prints, as JSON, what the client made of the answers.

import { Ollama } from "ollama";

const [step, url, model] = process.argv.slice(2);
const client = new Ollama({ host: url });
const messages = [{ role: "user", content: "What is a mutex?" }];
const options = { num_predict: 24 };
const add = {
  type: "function",
  function: {
    name: "add",
    description: "Adds two numbers",
    parameters: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } }, required: ["a", "b"] },
  },
};

const told = ({ name, status_code, message }) => ({ error: name, status: status_code, message });

const steps = {
  async models() {
    return (await client.list()).models.map(({ name }) => name);
  },

  async chat() {
    return client.chat({ model, messages, options });
  },

  async stream() {
    const seen = { text: "", done: [] };
    for await (const part of await client.chat({ model, messages, options, stream: true })) {
      seen.text += part.message.content;
      seen.done.push(part.done);
      seen.last = part;
    }
    return seen;
  },

  async tools() {
    const first = await client.chat({ model, messages, tools: [add] });
    const [{ function: { name, arguments: given } }] = first.message.tool_calls;
    const result = { role: "tool", tool_name: name, content: `${given.a + given.b}` };
    const second = await client.chat({ model, messages: [...messages, first.message, result], tools: [add] });
    return { name, given, said: second.message.content, calls: second.message.tool_calls ?? [] };
  },

  async calls() {
    const calls = [];
    for await (const { message } of await client.chat({ model, messages, tools: [add], stream: true })) calls.push(...(message.tool_calls ?? []));
    return calls.map(({ function: { name, arguments: given } }) => ({ name, given }));
  },

  async refused() {
    return client.chat({ model, messages }).then(() => "answered", told);
  },

  async cut() {
    const seen = { text: "", done: [] };
    try {
      for await (const { message, done } of await client.chat({ model, messages, stream: true })) {
        seen.text += message.content;
        seen.done.push(done);
      }
    } catch (error) {
      Object.assign(seen, told(error));
    }
    return seen;
  },

  async abort() {
    const seen = [];
    try {
      for await (const { message } of await client.chat({ model, messages, stream: true })) {
        seen.push(message.content);
        client.abort();
      }
    } catch (error) {
      return { seen, ...told(error) };
    }
    return { seen };
  },
};

console.log(JSON.stringify(await steps[step]()));
