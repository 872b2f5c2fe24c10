import { digestOf } from '../../src/core/digest.ts';
import type { OpenForReading } from '../../src/disk/port.ts';
import { ModelSpec } from '../../src/modelfile/schema.ts';
import type { ChatResult } from '../../src/runtimes/contract.ts';

/** Opens a file that never ends and holds only zeros. */
export const zeroFile: OpenForReading = async () => ({
  async read(buffer, offset, length) {
    buffer.fill(0, offset, offset + length);
    return { bytesRead: length };
  },
  async close() {},
});

/** A spec from a create request as it was recorded, without a licence. */
export function specOf(body: unknown): ModelSpec {
  const { template, parameters } = body as { template: string; parameters: ModelSpec['parameters'] };
  return ModelSpec.parse({
    templateName: 'gemma',
    template,
    templateDigest: digestOf(template),
    profile: 'card',
    parameters,
    license: '',
  });
}

/** Runs a chat to its end. */
export async function collect(
  chat: AsyncGenerator<string, ChatResult, undefined>,
): Promise<{ pieces: string[]; result: ChatResult }> {
  const pieces: string[] = [];
  for (;;) {
    const step = await chat.next();
    if (step.done) return { pieces, result: step.value };
    pieces.push(step.value);
  }
}
