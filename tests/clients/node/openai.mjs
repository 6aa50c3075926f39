// OpenAI's client for Node: `node openai.mjs STEP URL MODEL` prints, as JSON, what the client made of the answers.

import OpenAI from "openai";

const [step, url, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "What is a mutex?" }];
const sums = [];
const add = {
  type: "function",
  function: {
    name: "add",
    description: "Adds two numbers",
    parameters: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } }, required: ["a", "b"] },
    parse: JSON.parse,
    function: ({ a, b }) => {
      sums.push(a + b);
      return `${a + b}`;
    },
  },
};

const told = ({ constructor, name, status, code, param, type, message }) => ({ error: constructor.name, name, status, code, param, type, message });

const steps = {
  async models() {
    const names = [];
    for await (const { id } of client.models.list()) names.push(id);
    return names;
  },

  async chat() {
    const { data, response } = await client.chat.completions.create({ model, messages, max_tokens: 24 }).withResponse();
    return { ...data, by: response.headers.get("x-orch-model") };
  },

  async stream() {
    const events = await client.chat.completions.create({ model, messages, max_tokens: 24, stream: true, stream_options: { include_usage: true } });
    const seen = { text: "", finishes: [], usage: [] };
    for await (const { choices, usage } of events) {
      seen.text += choices[0]?.delta.content ?? "";
      if (choices[0]?.finish_reason) seen.finishes.push(choices[0].finish_reason);
      if (usage) seen.usage.push({ ...usage, choices: choices.length });
    }
    return seen;
  },

  async responses() {
    const stream = client.responses.stream({ model, input: "What is a mutex?", max_output_tokens: 24 });
    let text = "";
    stream.on("response.output_text.delta", ({ delta }) => (text += delta));
    const { output_text, status, usage } = await stream.finalResponse();
    return { text, output_text, status, usage };
  },

  // the client itself calls the function and brings its result back
  async tools() {
    const run = client.chat.completions.runTools({ model, messages, tools: [add] });
    return { said: await run.finalContent(), sums, roles: run.messages.map(({ role }) => role) };
  },

  // of pieces that the client puts together, and checks
  async calls() {
    const { type, function: { name, parameters } } = add;
    const stream = client.chat.completions.stream({ model, messages, tools: [{ type, function: { name, parameters } }] });
    const { choices: [{ finish_reason, message }] } = await stream.finalChatCompletion();
    return { finish_reason, calls: message.tool_calls.map(({ id, function: { name, arguments: given } }) => ({ id, name, given: JSON.parse(given) })) };
  },

  async refused() {
    return client.chat.completions.create({ model, messages }).then(() => "answered", told);
  },

  async cut() {
    const seen = { text: "", finishes: [] };
    try {
      for await (const { choices: [{ delta, finish_reason }] } of await client.chat.completions.create({ model, messages, stream: true })) {
        seen.text += delta.content ?? "";
        if (finish_reason) seen.finishes.push(finish_reason);
      }
    } catch (error) {
      Object.assign(seen, told(error));
    }
    return seen;
  },

  async abort() {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    const seen = [];
    for await (const { choices: [{ delta }] } of stream) {
      if (!delta.content) continue;
      seen.push(delta.content);
      stream.controller.abort();
    }
    return { seen, aborted: stream.controller.signal.aborted };
  },
};

console.log(JSON.stringify(await steps[step]()));
