import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';

interface Streams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * Asks a person for one line; undefined when the input ends instead. Throws the reason of the signal. The line is edited
 * by the terminal itself: readline would take Ctrl-C away from the process, which knows better how to stop.
 */
export async function ask(
  { input, output }: Streams,
  question: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  signal.throwIfAborted();
  const prompt = createInterface({ input, output, terminal: false });
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  try {
    output.write(question);
    const line = once(prompt, 'line', { signal: either }).then(([text]) => String(text));
    const end = once(prompt, 'close', { signal: either }).then(() => undefined);
    return await Promise.race([line, end]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    over.abort();
    prompt.close();
  }
}
