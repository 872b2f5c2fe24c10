import { text } from 'node:stream/consumers';
import * as z from 'zod';
import { ProvisionError } from '../../core/errors.ts';
import { drive } from '../../core/progress.ts';
import { findRecord } from '../../registry/index.ts';
import type { ChatResult, Message, OpenRuntime, Runtime } from '../../runtimes/contract.ts';
import type { RuntimeFlags } from '../../runtimes/registry.ts';
import type { AppContext } from '../context.ts';
import { locateModel } from './records.ts';

export const RunData = z.strictObject({
  response: z.string(),
  endedBy: z.enum(['stop', 'length']),
  tokens: z.int().nonnegative(),
  tokensPerSecond: z.number().optional(),
});
export type RunData = z.infer<typeof RunData>;

export interface ChatFlags extends RuntimeFlags {
  readonly system?: string | undefined;
  readonly temperature?: string | undefined;
  readonly seed?: number | undefined;
  readonly 'max-tokens'?: number | undefined;
}

/** Starts a chat of one turn with an installed model. Throws `bad-usage` when there is nothing to say. */
export async function chat(
  app: AppContext,
  name: string,
  prompt: string | undefined,
  flags: ChatFlags,
): Promise<AsyncGenerator<string, ChatResult, undefined>> {
  const options = parseOptions(flags);
  const content = (prompt ?? (await fromStdin())).trim();
  if (content === '') {
    throw new ProvisionError('bad-usage', 'no prompt was given', {
      suggestions: ['Pass it as an argument or on stdin: echo Hello | gemma-provision run NAME'],
    });
  }
  const opened = await app.open(await locateModel(app, name, flags));
  const messages: Message[] = [];
  if (flags.system !== undefined) messages.push({ role: 'system', content: flags.system });
  messages.push({ role: 'user', content });
  const answer = opened.runtime.chat({ name, messages, options }, app.options.signal);
  return adviseRepair(app, answer, name, opened);
}

/** A model of a record that its runtime lacks, lacks a part of, or has corrupt is one to repair and not one to install. */
async function* adviseRepair(
  app: AppContext,
  answer: AsyncGenerator<string, ChatResult, undefined>,
  name: string,
  { runtime, identity }: OpenRuntime,
): AsyncGenerator<string, ChatResult, undefined> {
  try {
    return yield* answer;
  } catch (error) {
    if (!(error instanceof ProvisionError) || !['model-not-found', 'bad-gguf'].includes(error.code)) throw error;
    const record = await findRecord(await app.registry(), { name, runtime: identity }).catch(() => undefined);
    if (record === undefined) throw error;
    const repair = `Repair it: gemma-provision repair ${record.name}`;
    if (error.code === 'bad-gguf') {
      const { signal } = app.options;
      if (await isIntact(runtime, record.name, signal)) throw error;
      throw new ProvisionError('digest-mismatch', `the file of ${record.name} is corrupt`, { suggestions: [repair] });
    }
    throw new ProvisionError('needs-repair', `${record.name} is installed, but incomplete: ${error.message}`, {
      cause: error.cause,
      suggestions: [repair],
    });
  }
}

async function isIntact(runtime: Runtime, name: string, signal: AbortSignal): Promise<boolean> {
  return runtime.isIntact === undefined || (await drive(runtime.isIntact(name, signal), () => undefined));
}

async function fromStdin(): Promise<string> {
  return process.stdin.isTTY === true ? '' : text(process.stdin);
}

function parseOptions(flags: ChatFlags): Record<string, number> {
  const options: Record<string, number> = {};
  if (flags.temperature !== undefined) options.temperature = parseTemperature(flags.temperature);
  if (flags.seed !== undefined) options.seed = flags.seed;
  if (flags['max-tokens'] !== undefined) options.num_predict = flags['max-tokens'];
  return options;
}

function parseTemperature(typed: string): number {
  const value = Number(typed);
  if (typed.trim() !== '' && value >= 0 && value <= 2) return value;
  throw new ProvisionError('bad-usage', `--temperature ${typed} is out of range`, {
    suggestions: ['Use a number from 0 to 2.'],
  });
}
