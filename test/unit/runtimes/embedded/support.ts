import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../../../../src/core/digest.ts';
import { NO_DIGEST_CACHE } from '../../../../src/disk/digest-cache.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import type { ModelSpec } from '../../../../src/modelfile/schema.ts';
import type { Engine } from '../../../../src/runtimes/embedded/engine.ts';
import type { FromWorker, ToWorker } from '../../../../src/runtimes/embedded/protocol.ts';
import type { StoreOptions } from '../../../../src/runtimes/embedded/store.ts';
import type { WorkerProcess } from '../../../../src/runtimes/embedded/worker-client.ts';

export const SPEC: ModelSpec = {
  templateName: 'gemma',
  template: '{{ .Prompt }}',
  templateDigest: digestOf('{{ .Prompt }}'),
  profile: 'card',
  parameters: { temperature: 0.7, stop: ['<end_of_turn>', 'STOP'] },
  license: 'Apache-2.0',
};

export async function storeOptions(changes: Partial<StoreOptions> = {}): Promise<StoreOptions> {
  return {
    dataDir: await mkdtemp(join(tmpdir(), 'store-')),
    disk: realDisk,
    digests: NO_DIGEST_CACHE,
    now: () => new Date('2026-08-30T10:00:00.000Z'),
    ...changes,
  };
}

export const BOS = 1;
export const END = 2;
export const TURN = 3;
export const OPEN = 4;
export const CLOSE = 5;
const SPECIALS = new Map([
  ['<bos>', BOS],
  ['<end>', END],
  ['<end_of_turn>', TURN],
  ['<|channel>', OPEN],
  ['<channel|>', CLOSE],
]);

/** An engine over bytes: a token is a byte plus 256, special tokens are small numbers. It answers what it is told to. */
export function byteEngine(answer: readonly number[], changes: Partial<Engine> = {}): Engine {
  return {
    contextLength: 1000,
    chatTemplate: '{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}',
    bos: { token: BOS, text: '<bos>' },
    eosText: '<end>',
    addBos: true,
    tokenize: bytesOf,
    detokenize: (tokens) =>
      new TextDecoder().decode(Uint8Array.from(tokens.filter((t) => t > 255).map((t) => t - 256))),
    isEnd: (token) => token === END,
    isSpecial: (token) => token < 256,
    generate: async function* () {
      yield* answer;
    },
    logProbabilities: async function* () {},
    dispose: () => Promise.resolve(),
    ...changes,
  };
}

export function bytesOf(text: string): number[] {
  return text.split(/(<bos>|<end>|<end_of_turn>|<\|channel>|<channel\|>)/).flatMap((part) => {
    const special = SPECIALS.get(part);
    return special === undefined ? [...Buffer.from(part)].map((byte) => byte + 256) : [special];
  });
}

export const SAMPLING = {
  temperature: 0,
  topK: 40,
  topP: 0.9,
  minP: 0,
  repeatPenalty: 1,
  repeatLastTokens: 64,
  seed: 1,
};

/** A worker that a test plays by hand. */
export function fakeWorker(): WorkerProcess & {
  readonly sent: ToWorker[];
  readonly held: boolean[];
  says(message: FromWorker | object): void;
  ends(reason: string): void;
} {
  const sent: ToWorker[] = [];
  const held: boolean[] = [];
  const messageListeners: ((message: unknown) => void)[] = [];
  const endListeners: ((reason: string) => void)[] = [];
  const ends = (reason: string): void => {
    for (const listener of endListeners.splice(0)) listener(reason);
  };
  return {
    sent,
    held,
    send: (message) => void sent.push(message),
    onMessage: (listener) => void messageListeners.push(listener),
    onEnd: (listener) => void endListeners.push(listener),
    lastLines: () => ['ggml: something broke'],
    keepAlive: (on) => void held.push(on),
    kill: () => ends('signal SIGKILL'),
    says: (message) => {
      for (const listener of messageListeners) listener(message);
    },
    ends,
  };
}
