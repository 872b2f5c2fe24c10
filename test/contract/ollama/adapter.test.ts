import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drive, type ProgressEvent } from '../../../src/core/progress.ts';
import { parseModelfile } from '../../../src/modelfile/parse.ts';
import { modelfileText } from '../../../src/runtimes/ollama/legacy.ts';
import type { OllamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import { failureOf, never } from '../../helpers/failure.ts';
import { expectAllUsed, resetHttp } from '../../helpers/http-mock.ts';
import { loadRewritten, loadTranscript, OLDEST, RECORDED, type Transcript } from '../../helpers/transcripts.ts';
import { adapterAt, BASE, GENERATIONS, NAME, SPEC } from './generations.ts';

afterEach(resetHttp);

describe.each([OLDEST, ...RECORDED] as const)('the adapter with Ollama %s', (version) => {
  const expected = GENERATIONS[version];
  let recorded: Transcript;
  let runtime: OllamaRuntime;
  let spec: typeof SPEC;
  let hashed: string[];

  beforeEach(() => {
    recorded = loadTranscript(version, BASE);
    spec = SPEC;
    hashed = [];
    runtime = adapterAt(BASE, hashed);
  });

  function request() {
    const { digest, sizeBytes } = recorded.model;
    const file = { ref: './tiny.gguf', path: '/models/tiny.gguf', sizeBytes, digest };
    return { name: NAME, file, architecture: 'gemma3n', spec };
  }

  function createFields() {
    if (expected.modelfile) return { modelfile: modelfileText(recorded.model.digest, spec) };
    return {
      files: { 'model.gguf': recorded.model.digest },
      template: spec.template,
      parameters: spec.parameters,
    };
  }

  test('identifies the server and what its version can do', async () => {
    recorded.replay('version');
    expect(await runtime.identify(never)).toEqual({ kind: 'ollama', version, endpoint: BASE });
    const facts = await runtime.facts(never);
    expect(facts.createProtocol).toBe(expected.modelfile ? 'modelfile' : 'files');
    expect(facts.engine).toBe(expected.engine);
    expect(facts.capabilities.has('stub-after-error')).toBe(expected.stub === true);
    expect(facts.capabilities.has('gguf-rewrite')).toBe(expected.rewrites === true);
    expectAllUsed();
  });

  test('stores a model: asks for the blob, uploads, creates, reads back', async () => {
    for (const id of ['version', 'blob.head.absent', 'blob.post.new', 'tags.empty', 'create', 'show', 'tags']) {
      recorded.replay(id);
    }
    const events: ProgressEvent[] = [];
    const result = await drive(runtime.store(request(), never), (event) => events.push(event));

    expect(result.uploadedDigest).toBe(recorded.model.digest);
    expect(result.bytesMoved).toBe(recorded.model.sizeBytes);
    expect(hashed, 'the server checks what arrives: one pass over the file').toEqual([]);
    expect(result.differences).toEqual([]);
    expect(result.stored).toMatchObject({
      name: NAME,
      layerDigest: recorded.model.digest,
      entryDigest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      architecture: 'gemma3n',
      quant: 'Q8_0',
      template: spec.template,
      stop: ['<end_of_turn>'],
      contextLength: 512,
      layerPath: expect.stringMatching(/^\/.*\/blobs\/sha256-[0-9a-f]{64}$/),
    });
    expect(result.stored.capabilities).toEqual(expected.capabilities);
    expect(result.stored.addsBos).toBe(version === '0.1.34' ? undefined : true);
    expect(recorded.sent.at(1)).toEqual({ model: NAME, name: NAME, stream: true, ...createFields() });
    const uploads = events.filter((event) => event.type === 'bytes');
    expect(uploads.at(-1)).toEqual({
      type: 'bytes',
      id: 'upload',
      done: recorded.model.sizeBytes,
      total: recorded.model.sizeBytes,
    });
    expect(events).toContainEqual(expect.objectContaining({ type: 'phase', id: 'create', detail: 'success' }));
    expectAllUsed();
  });

  test('stores the same again without moving a byte', async () => {
    for (const id of ['version', 'blob.head.present', 'tags', 'create.again', 'show', 'tags']) recorded.replay(id);
    const result = await drive(runtime.store(request(), never), () => {});
    expect(result.bytesMoved).toBe(0);
    expect(hashed, 'nothing arrives, so the claim is checked here').toEqual(['/models/tiny.gguf']);
    expect(result.differences).toEqual([]);
    expectAllUsed();
  });

  test('tells what the server did not store', async () => {
    spec = {
      ...spec,
      template: 'another',
      license: 'Apache-2.0',
      parameters: { ...spec.parameters, seed: 2, top_k: 5 },
    };
    for (const id of ['version', 'blob.head.present', 'tags', 'create.again', 'show', 'tags']) recorded.replay(id);
    const { differences } = await drive(runtime.store(request(), never), () => {});
    expect(differences).toEqual([
      'The server stored another template: it differs from character 1 on.',
      'The server stored no licence.',
      'The server stored the parameter seed as 1, not 2.',
      'The server did not store the parameter top_k 5.',
    ]);
  });

  test('sees that a model without a template got none of ours', async () => {
    for (const id of ['version', 'blob.head.present', 'tags', 'create.again', 'show.bare', 'tags']) recorded.replay(id);
    const { differences } = await drive(runtime.store(request(), never), () => {});
    expect(differences[0]).toBe(
      expected.rewrites
        ? "The server shows the file's own Jinja template instead of the one that was sent, and may use it."
        : 'The server stored another template: it differs from character 3 on.',
    );
  });

  test('has nothing under a name that nobody took', async () => {
    recorded.replay('show.absent');
    expect(await runtime.find('nobody:t', never)).toBeUndefined();
  });

  test('copies and reads the copy back', async () => {
    // The recorded list holds ns:t, made of the same parts, so it has the same digest.
    for (const id of ['copy', 'tags', 'tags']) recorded.replay(id);
    await runtime.copy(NAME, 'ns:t', never);
    expect(recorded.sent).toEqual([{ source: NAME, destination: 'ns:t' }]);
    expectAllUsed();
  });

  test('does not believe in a copy that does not read back', async () => {
    for (const id of ['copy', 'tags', 'tags']) recorded.replay(id);
    expect((await failureOf(runtime.copy(NAME, 'copy:t', never))).code).toBe('disk-full');
  });

  test('cannot copy what is not there', async () => {
    recorded.replay('copy.absent');
    expect((await failureOf(runtime.copy('nobody:t', 'copy:u', never))).code).toBe('model-not-found');
  });

  test('removes, also what is not there', async () => {
    for (const id of ['ps.empty', 'delete', 'ps.empty', 'delete.absent']) recorded.replay(id);
    await runtime.remove('copy:t', never);
    await runtime.remove('copy:t', never);
    expectAllUsed();
  });

  /** What the server refuses in a create. */
  const refused = expected.takesAnyTemplate
    ? ({ id: 'create.unknown-parameter', code: 'bad-usage', words: 'unknown parameter' } as const)
    : ({ id: 'create.bad-template', code: 'bad-template', words: 'unclosed action' } as const);

  test('fails at the first error line of a create and leaves nothing behind', async () => {
    for (const id of ['version', 'blob.head.present', 'tags.empty', refused.id, 'tags', 'delete']) recorded.replay(id);
    const error = await failureOf(drive(runtime.store(request(), never), () => {}));
    expect(error.code).toBe(refused.code);
    expect(error.message).toContain(refused.words);
    expectAllUsed();
  });

  test('leaves the model alone that was there before a create failed', async () => {
    for (const id of ['version', 'blob.head.present', 'tags', refused.id, 'tags']) recorded.replay(id);
    expect((await failureOf(drive(runtime.store(request(), never), () => {}))).code).toBe(refused.code);
    expectAllUsed();
  });

  test('row 32: uploads a blob once more when the server lost it before the create', async () => {
    const digest = `sha256:${'1'.repeat(64)}` as const;
    const path = `/api/blobs/${digest}`;
    recorded.replay('version');
    recorded.replay('blob.head.present', { path });
    for (const id of ['tags.empty', 'create.missing-blob']) recorded.replay(id);
    recorded.replay('blob.head.absent', { path });
    recorded.replay('blob.head.absent', { path });
    recorded.replay('blob.post.new', { path });
    for (const id of ['create', 'show', 'tags']) recorded.replay(id);
    const events: ProgressEvent[] = [];
    const wanted = { ...request(), file: { ...request().file, digest } };
    const result = await drive(runtime.store(wanted, never), (event) => events.push(event));
    expect(result.bytesMoved).toBe(recorded.model.sizeBytes);
    expect(events).toContainEqual(expect.objectContaining({ type: 'warning' }));
    expectAllUsed();
  });

  test('says what the file was when its digest is wrong', async () => {
    const digest = `sha256:${'0'.repeat(64)}` as const;
    recorded.replay('version');
    recorded.replay('blob.head.absent', { path: `/api/blobs/${digest}` });
    recorded.replay('blob.post.wrong-digest');
    const wanted = { ...request(), file: { ...request().file, digest } };
    const error = await failureOf(drive(runtime.store(wanted, never), () => {}));
    expect(error.code).toBe('digest-mismatch');
    expect(error.message).toContain('sha256:d1c1db97e2e952b5f13887c2361d0a7fab1ac8f2095fb86f334d92fb264654e1');
  });

  test('explains a pull that the library refuses to this version', async () => {
    recorded.replay('pull.newer-required');
    recorded.replay('version');
    const error = await failureOf(drive(runtime.pull?.('gemma3n:e4b', never) ?? expect.fail(), () => {}));
    expect(error.code).toBe('runtime-too-old');
    expect(error.message).toContain(version);
    expect(recorded.sent).toEqual([{ model: 'gemma3n:e4b', name: 'gemma3n:e4b', stream: true }]);
  });

  test('tells a registry out of reach from a server out of reach', async () => {
    recorded.replay('pull.unreachable');
    expect((await failureOf(drive(runtime.pull?.('x:t', never) ?? expect.fail(), () => {}))).code).toBe('network');
  });

  test('refuses a name before any request', async () => {
    expect((await failureOf(runtime.find('../x', never))).code).toBe('bad-name');
    expect((await failureOf(drive(runtime.store({ ...request(), name: '-rf' }, never), () => {}))).code).toBe(
      'bad-name',
    );
  });
});

test('a file that 0.33 rewrites is told with both digests', async () => {
  const recorded = loadRewritten(BASE);
  for (const id of ['version', 'blob.head.absent', 'blob.post.new', 'tags.empty', 'create', 'show', 'tags']) {
    recorded.replay(id);
  }
  const { digest, sizeBytes } = recorded.model;
  const file = { ref: './f16.gguf', path: '/models/f16.gguf', sizeBytes, digest };
  const request = { name: NAME, file, architecture: 'gemma3n', spec: SPEC };
  const { uploadedDigest, stored, differences } = await drive(adapterAt(BASE).store(request, never), () => {});
  expect(uploadedDigest).toBe(digest);
  expect(stored.layerDigest).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(stored.layerDigest).not.toBe(digest);
  expect(differences).toEqual([expect.stringContaining(`it stores ${stored.layerDigest}, ${digest} was uploaded`)]);
  expectAllUsed();
});

test.each([OLDEST, '0.5.4'] as const)('the Modelfile for %s is the one that the real server took', (version) => {
  const recorded = loadTranscript(version, BASE);
  const { modelfile } = recorded.exchange('create.again').request.body as { modelfile: string };
  const commands = (text: string) => parseModelfile(text).map(({ line: _, ...command }) => command);
  expect(commands(modelfileText(recorded.model.digest, SPEC))).toEqual(commands(modelfile.replace(' 1.0\n', ' 1\n')));
  expect(recorded.exchange('create.new-style').response.status, 'fields mean nothing to it').toBe(400);
});
