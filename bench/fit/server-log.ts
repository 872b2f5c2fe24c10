/** What a server’s log says was allocated for the model that was loaded last, in bytes; undefined when it says nothing. */
export function allocatedIn(log: string): number | undefined {
  return ownEngine(log) ?? llamaServer(log);
}

/** Ollama’s own engine prints one line with every part: `allocated.InputWeights=120960A … CPU.Graph=25165824A`. */
function ownEngine(log: string): number | undefined {
  const line = log.split('\n').findLast((one) => /\b(allocated|required)\.CPU\.Graph=\d/.test(one));
  if (line === undefined) return undefined;
  const parts = line.matchAll(/\b(?:allocated|required)\.[A-Za-z.]+=(?:"\[([^\]]*)\]"|(\d+))/g);
  let sum = 0;
  for (const [, list, single] of parts) {
    for (const number of (list ?? single ?? '').split(/\s+/)) sum += Number.parseInt(number, 10);
  }
  return sum;
}

/** llama-server prints `CPU KV buffer size = 0.50 MiB` for each; the last load counts. */
function llamaServer(log: string): number | undefined {
  const last = log.slice(Math.max(0, log.lastIndexOf('load_tensors: loading model tensors')));
  const sizes = [...last.matchAll(/buffer size = +([\d.]+) MiB/g)].map(([, mib]) => Number(mib) * 1024 ** 2);
  return sizes.length === 0 ? undefined : Math.round(sizes.reduce((sum, bytes) => sum + bytes, 0));
}
