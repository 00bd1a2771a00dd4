// What the page asks of the server.

async function request(path, body, key, signal) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  const response = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body), signal } : { headers });
  if (!response.ok) {
    const said = await response.json().catch(() => null);
    throw Object.assign(new Error(said?.error?.message ?? response.statusText), { status: response.status });
  }
  return response;
}

export async function models(key) {
  return (await (await request("v1/models", null, key)).json()).data.map((model) => model.id);
}

export async function attention(body, key) {
  return (await request("v1/attention", body, key)).json();
}

// Yields the chunks of a streamed answer.
export async function* ask(body, key, signal) {
  const streamed = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await request("v1/chat/completions", streamed, key, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the server broke off");
    unread += value;
    const events = unread.split("\n\n");
    unread = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      yield chunk;
    }
  }
}
