/** What every runtime promises to those who use one: the same expectations for each that is registered, and for the fake. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Digest } from '../../src/core/digest.ts';
import { ProvisionError } from '../../src/core/errors.ts';
import { drive, type ProgressEvent } from '../../src/core/progress.ts';
import type { AppContext } from '../../src/provision/context.ts';
import { type OpenRuntime, type Runtime, RuntimeKind, type StoreRequest } from '../../src/runtimes/contract.ts';
import { openRuntime, runtimeOf } from '../../src/runtimes/registry.ts';
import { makeApp } from '../helpers/app.ts';
import { failureOf, never } from '../helpers/failure.ts';
import { fakeOllama } from '../helpers/fake-ollama.ts';
import { FakeRuntime } from '../helpers/fake-runtime.ts';
import { SPEC, TINY_DIGEST, TINY_FILE } from '../helpers/plans.ts';
import { collect } from '../helpers/runtime-fakes.ts';

const NAME = 'contract:t';
const COPY = 'contract-copy:t';
const HI = [{ role: 'user', content: 'Say OK' }] as const;
/** As a run is stopped by Ctrl-C. */
const STOPPED = new ProvisionError('interrupted', 'Ctrl-C');

interface Subject {
  readonly runtime: Runtime;
  close(): Promise<void>;
}

/** What a kind needs around it to be opened. A new kind of runtime is missing here until it says so. */
const SURROUNDINGS: Readonly<Record<RuntimeKind, () => Promise<{ readonly host?: string; close(): Promise<void> }>>> = {
  ollama: () => fakeOllama(),
  embedded: async () => ({ close: async () => undefined }),
};

async function opened(kind: RuntimeKind): Promise<Subject & { readonly app: AppContext; readonly open: OpenRuntime }> {
  const around = await SURROUNDINGS[kind]();
  const home = mkdtempSync(join(tmpdir(), 'contract-'));
  const app = makeApp({ home, env: { GEMMA_PROVISION_GPU: 'off', GEMMA_PROVISION_THREADS: '1' } });
  const open = await openRuntime({ runtime: kind, host: around.host }, await app.runtimeContext());
  return {
    app,
    open,
    runtime: open.runtime,
    async close() {
      await open.runtime.close();
      await app.close();
      await around.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

const SUBJECTS: readonly (readonly [string, () => Promise<Subject>])[] = [
  ...RuntimeKind.options.map((kind) => [`the runtime ${kind}`, () => opened(kind)] as const),
  ['the fake runtime of unit tests', async () => ({ runtime: new FakeRuntime(), close: async () => undefined })],
];

function request(changes: Partial<StoreRequest> = {}): StoreRequest {
  const file = { ref: TINY_FILE, path: TINY_FILE, sizeBytes: statSync(TINY_FILE).size, digest: TINY_DIGEST } as const;
  return { name: NAME, file, architecture: 'gemma3n', spec: SPEC, ...changes };
}

describe.each(SUBJECTS)('%s', { timeout: 60_000 }, (_, open) => {
  let subject: Subject;
  let runtime: Runtime;
  beforeEach(async () => {
    subject = await open();
    ({ runtime } = subject);
    return subject.close;
  });

  function store(changes: Partial<StoreRequest> = {}, signal = never, events: ProgressEvent[] = []) {
    return drive(runtime.store(request(changes), signal), (event) => events.push(event));
  }

  test('identifies itself as what it is opened as', async () => {
    const { kind, endpoint } = runtime;
    expect(await runtime.identify(never)).toEqual({ kind, endpoint, version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
  });

  test('has nothing under a name that no model has', async () => {
    expect(await runtime.find(NAME, never)).toBeUndefined();
    expect((await failureOf(runtime.copy(NAME, COPY, never))).code).toBe('model-not-found');
    expect((await failureOf(collect(runtime.chat({ name: NAME, messages: HI }, never)))).code).toBe('model-not-found');
    await runtime.remove(NAME, never);
    await runtime.unload?.(NAME, never);
    expect(await runtime.find(NAME, never)).toBeUndefined();
  });

  test('stores a file under a name, and says the same of it when it is asked again', async () => {
    const events: ProgressEvent[] = [];
    const { stored, uploadedDigest, bytesMoved } = await store({}, never, events);
    expect(uploadedDigest).toBe(TINY_DIGEST);
    expect(bytesMoved).toBe(request().file.sizeBytes);
    expect(events).toContainEqual(expect.objectContaining({ type: 'bytes', done: bytesMoved, total: bytesMoved }));
    expect(stored).toMatchObject({ name: NAME, layerDigest: TINY_DIGEST, template: SPEC.template });
    expect(stored.entryDigest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await runtime.find(NAME, never)).toMatchObject({ name: NAME, entryDigest: stored.entryDigest });
    if (runtime.names !== undefined) expect(await runtime.names(never)).toContain(NAME);
  });

  test('moves no byte that it has already', async () => {
    const first = await store();
    expect(await store()).toMatchObject({ bytesMoved: 0, stored: { entryDigest: first.stored.entryDigest } });
    expect((await store({ name: COPY })).bytesMoved).toBe(0);
  });

  test('gives another identity to the same file with other parameters', async () => {
    const { stored } = await store();
    const other = await store({ spec: { ...SPEC, parameters: { ...SPEC.parameters, temperature: 0.1 } } });
    expect(other.stored.layerDigest).toBe(stored.layerDigest);
    expect(other.stored.entryDigest).not.toBe(stored.entryDigest);
  });

  test('creates nothing for a run that is interrupted before it begins', async () => {
    expect(await failureOf(store({}, AbortSignal.abort(STOPPED)))).toBe(STOPPED);
    expect(await runtime.find(NAME, never)).toBeUndefined();
  });

  test('a copy is the same model under another name, and outlives the first', async () => {
    const { stored } = await store();
    await runtime.copy(NAME, COPY, never);
    expect(await runtime.find(COPY, never)).toMatchObject({ name: COPY, entryDigest: stored.entryDigest });
    await runtime.remove(NAME, never);
    expect(await runtime.find(NAME, never)).toBeUndefined();
    expect(await runtime.find(COPY, never)).toMatchObject({ entryDigest: stored.entryDigest });
    await collect(runtime.chat({ name: COPY, messages: HI, options: { num_predict: 4 } }, never));
  });

  test('a copy replaces the model under its name', async () => {
    const { stored } = await store();
    await store({ name: COPY, spec: { ...SPEC, parameters: { ...SPEC.parameters, temperature: 0.1 } } });
    await runtime.copy(NAME, COPY, never);
    expect((await runtime.find(COPY, never))?.entryDigest).toBe(stored.entryDigest);
  });

  test('answers in pieces that make up the whole, with its counts and times', async () => {
    await store();
    const { pieces, result } = await collect(
      runtime.chat({ name: NAME, messages: HI, options: { temperature: 0, seed: 1, num_predict: 32 } }, never),
    );
    expect(pieces.join('')).toBe(result.text);
    expect(result.text).not.toBe('');
    expect(['stop', 'length']).toContain(result.endedBy);
    expect(result.promptTokens).toBeGreaterThan(0);
    expect(result.answerTokens).toBeGreaterThan(0);
    for (const ms of [result.loadMs, result.firstTokenMs, result.totalMs]) expect(ms).toBeGreaterThanOrEqual(0);
  });

  test('gives no answer to a run that is interrupted, and says why it was', async () => {
    await store();
    const work = collect(runtime.chat({ name: NAME, messages: HI }, AbortSignal.abort(STOPPED)));
    expect(await failureOf(work)).toBe(STOPPED);
  });

  test('shows the prompt that it would use, where it shows one, without an answer', async () => {
    await store();
    const rendered = await runtime.render?.({ name: NAME, messages: HI }, never);
    if (rendered !== undefined) expect(rendered.text).toContain('Say OK');
    const [shorter, longer] = [
      await runtime.countRaw?.(NAME, 'a', never),
      await runtime.countRaw?.(NAME, 'a b', never),
    ];
    expect(longer === undefined).toBe(shorter === undefined);
    if (shorter !== undefined) expect(longer).toBeGreaterThan(shorter);
  });

  test('reports a model in memory until it is unloaded, where it reports that', async () => {
    await store();
    await collect(runtime.chat({ name: NAME, messages: HI, options: { num_predict: 4 } }, never));
    const loaded = await runtime.loaded?.(NAME, never);
    if (loaded?.contextLength !== undefined) expect(loaded.contextLength).toBe(SPEC.parameters.num_ctx);
    await runtime.unload?.(NAME, never);
    expect(await runtime.loaded?.(NAME, never)).toBeUndefined();
  });
});

describe.each(RuntimeKind.options)('the registered runtime %s', { timeout: 60_000 }, (kind) => {
  let subject: Awaited<ReturnType<typeof opened>>;
  beforeEach(async () => {
    subject = await opened(kind);
  });
  afterEach(() => subject.close());

  test('is opened as what its definition declares', async () => {
    const { capabilities, endpoint, ownStore } = runtimeOf(kind);
    const { identity, runtime } = subject.open;
    expect([identity.kind, identity.endpoint]).toEqual([kind, runtime.endpoint]);
    expect(capabilities.isServer).toBe(endpoint === undefined);
    if (endpoint !== undefined) expect(runtime.endpoint).toBe(endpoint);
    expect(ownStore?.('/data').runtime ?? { kind, endpoint: runtime.endpoint }).toEqual({
      kind,
      endpoint: runtime.endpoint,
    });
  });

  test('plans how a file gets in, changes nothing by that, and keeps to it', async () => {
    const { runtime } = subject;
    const plan = await runtime.planTransfer?.(request().file, undefined, never);
    expect(await runtime.find(NAME, never)).toBeUndefined();
    const { way } = await drive(runtime.store(request(), never), () => undefined);
    if (plan !== undefined) expect(way).toBe(plan.way);
    expect((await runtime.planTransfer?.(request().file, undefined, never))?.way ?? 'present').toBe('present');
  });

  test('refuses bytes other than announced, and keeps no model of them', async () => {
    const file = { ...request().file, digest: `sha256:${'0'.repeat(64)}` as Digest };
    const error = await failureOf(drive(subject.runtime.store(request({ file }), never), () => undefined));
    expect(error.code).toBe('digest-mismatch');
    expect(await subject.runtime.find(NAME, never)).toBeUndefined();
  });

  test('refuses a name that is not one, before anything else', async () => {
    const { runtime } = subject;
    expect((await failureOf(runtime.find('../x', never))).code).toBe('bad-name');
    const work = drive(runtime.store(request({ name: '-rf' }), never), () => undefined);
    expect((await failureOf(work)).code).toBe('bad-name');
  });
});
