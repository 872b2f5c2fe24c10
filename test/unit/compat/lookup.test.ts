import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { serverFacts } from '../../../src/compat/lookup.ts';
import type { CapabilityId } from '../../../src/compat/schema.ts';

describe('serverFacts', () => {
  test.each([
    ['0.1.34', 'modelfile', 'ollama-a1', 1.02, 2048, 1],
    ['0.5.4', 'modelfile', 'ollama-a1', 1.02, 2048, 4],
    ['0.5.5', 'files', 'ollama-a1', 1.02, 2048, 4],
    ['0.6.7', 'files', 'ollama-a1', 1.02, 4096, 2],
    ['0.9.3', 'files', 'ollama-a1', 1.02, 4096, 2],
    ['0.10.0', 'files', 'ollama-a1', 1.02, 4096, 1],
    ['0.11.10', 'files', 'ollama-a1', 1.02, 4096, 1],
    ['0.11.11', 'files', 'ollama-a2', 1.02, 4096, 1],
    ['0.24.0', 'files', 'ollama-a2', 1.02, 4096, 1],
    ['0.30.0', 'files', 'ollama-b', 3, 4096, 1],
    ['0.33.0-rc2', 'files', 'ollama-b', 3, 4096, 1],
    ['0.99.0', 'files', 'ollama-b', 3, 4096, 1],
    ['0.0.0', 'files', 'ollama-b', 3, 4096, 1],
  ] as const)('%s', (version, createProtocol, engine, diskFactor, tokens, defaultParallel) => {
    const facts = serverFacts(version);
    expect(facts).toMatchObject({ createProtocol, engine, diskFactor, defaultParallel });
    expect(facts.defaultContext.tokens).toBe(tokens);
  });

  test('the default context depends on the VRAM from 0.15.5 on', () => {
    expect(serverFacts('0.15.4').defaultContext.byVramGiB).toBeUndefined();
    expect(serverFacts('0.15.5').defaultContext.byVramGiB).toEqual([
      { from: 23, tokens: 32768 },
      { from: 47, tokens: 262144 },
    ]);
  });

  test.each([
    ['0.17.4', 1.1],
    ['0.17.5', 1],
    ['0.17.7', 1],
    ['0.18.0', 1.1],
    ['0.32.9', 1.1],
    ['0.32.10', 1],
    ['0.0.0', 1],
  ])('the default repeat_penalty of %s is %d', (version, penalty) => {
    expect(serverFacts(version).defaultRepeatPenalty).toBe(penalty);
  });

  test('create quantizes to few types from 0.7.0 on', () => {
    expect(serverFacts('0.6.8').quantizeTypes).toContain('Q5_K_M');
    expect(serverFacts('0.7.0').quantizeTypes).toEqual(['F32', 'F16', 'Q8_0', 'Q4_K_M', 'Q4_K_S']);
  });

  test('tells which options are gone', () => {
    expect(serverFacts('0.1.34').optionsRemoved).toEqual(['embedding_only']);
    expect(serverFacts('0.6.8').optionsRemoved).not.toContain('mirostat');
    expect(serverFacts('0.7.0').optionsRemoved).toEqual(
      expect.arrayContaining(['mirostat', 'use_mlock', 'tfs_z', 'numa', 'num_gqa']),
    );
    expect(serverFacts('0.7.0').optionsRemoved).not.toContain('num_ctx');
  });

  test.each([
    ['create-files', '0.5.4', '0.5.5'],
    ['create-any-key', '0.5.5', '0.5.6'],
    ['create-checks-architecture', '0.24.0', '0.30.0'],
    ['gguf-rewrite', '0.24.0', '0.30.0'],
    ['helper-programs', '0.24.0', '0.30.0'],
    ['split-gguf', '0.24.0', '0.30.0'],
    ['projector-by-type', '0.30.3', '0.30.4'],
    ['jinja-template', '0.24.0', '0.30.0'],
    ['generate-jinja', '0.30.10', '0.30.11'],
    ['bos-stripped', '0.24.0', '0.30.0'],
    ['render-only', '0.11.4', '0.11.5'],
    ['prompt-count', '0.1.48', '0.2.0'],
    ['overflow-error', '0.30.8', '0.30.9'],
    ['prune-grace', '0.20.7', '0.21.0'],
    ['stream-error-status', '0.12.5', '0.12.6'],
    ['stub-after-error', '0.5.4', '0.5.5'],
    ['show-capabilities', '0.6.3', '0.6.4'],
    ['ps-context-length', '0.9.6', '0.10.0'],
  ] as const satisfies readonly (readonly [CapabilityId, string, string])[])(
    '%s begins between %s and %s',
    (id, before, since) => {
      expect(serverFacts(before).capabilities.has(id)).toBe(false);
      expect(serverFacts(since).capabilities.has(id)).toBe(true);
      expect(serverFacts(`${since}-rc1`).capabilities.has(id)).toBe(true);
    },
  );

  test.each([
    ['stub-after-error', '0.12.5', '0.12.6'],
    ['create-modelfile', '0.5.4', '0.5.5'],
    ['memory-check', '0.24.0', '0.30.0'],
  ] as const)('%s ends with %s, and an unknown version is past that', (id, last, next) => {
    expect(serverFacts(last).capabilities.has(id)).toBe(true);
    expect(serverFacts(next).capabilities.has(id)).toBe(false);
    expect(serverFacts('0.0.0').capabilities.has(id)).toBe(false);
  });

  test.each([
    ['0.1.48', false],
    ['0.2.0', true],
    ['0.24.0', true],
    ['0.30.0', false],
    ['0.30.0-rc1', false],
    ['0.30.1', true],
    ['0.33.0-rc2', true],
    ['0.0.0', true],
  ])('prompt_eval_count of %s counts the whole prompt: %s', (version, promptCount) => {
    expect(serverFacts(version).promptCount).toBe(promptCount);
  });

  test.each([
    ['0.1.33', ['crafted-header', 'CVE-2024-37032']],
    ['0.3.14', ['crafted-header', 'CVE-2024-12055', 'CVE-2024-12886']],
    ['0.5.13', ['crafted-header', 'CVE-2026-7020', 'CVE-2026-7482', 'CVE-2025-51471']],
    ['0.17.0', ['CVE-2026-7482']],
    ['0.20.2', ['CVE-2026-7020']],
  ])('%s has at least the dangers %j', (version, ids) => {
    expect(serverFacts(version).dangers.map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
  });

  test.each([
    ['0.24.0', ['crafted-header']],
    ['0.31.1', ['crafted-header']],
    ['0.31.2', []],
    ['0.0.0', []],
  ])('%s has the dangers %j, and warns of each', (version, ids) => {
    const { dangers, warnings } = serverFacts(version);
    expect(dangers.map(({ id }) => id)).toEqual(ids);
    for (const id of ids) expect(warnings.some((warning) => warning.startsWith(id))).toBe(true);
  });

  test.each([
    ['0.33.0', []],
    ['0.33.0-rc2', []],
    ['0.34.0', [expect.stringContaining('newer than 0.33.0')]],
    ['1.0.0', [expect.stringContaining('newer than 0.33.0')]],
    ['0.32.0-ipex', [expect.stringContaining('custom build')]],
    ['0.0.0', [expect.stringContaining('"0.0.0", from which its version is not known')]],
    ['', [expect.stringContaining('no version')]],
  ])('warnings of %j: %j', (version, warnings) => {
    expect(serverFacts(version).warnings).toEqual(warnings);
  });

  test('a server older than all rows gets the first of each, and a warning', () => {
    const facts = serverFacts('0.0.9');
    expect(facts.createProtocol).toBe('modelfile');
    expect(facts.defaultContext.tokens).toBe(2048);
    expect(facts.warnings[0]).toContain('older than 0.1.34');
  });
});

describe('recorded servers behave as their version says', () => {
  interface Exchange {
    readonly id: string;
    readonly response: { readonly status: number | null; readonly body: string };
  }

  /** What a recorded server answered. */
  function recorded(version: string): (id: string) => Exchange['response'] {
    const text = readFileSync(`test/fixtures/transcripts/ollama-${version}.json`, 'utf8');
    const { exchanges } = JSON.parse(text) as { exchanges: readonly Exchange[] };
    return (id) => {
      const exchange = exchanges.find((other) => other.id === id);
      if (exchange === undefined) throw new Error(`no exchange ${id}`);
      return exchange.response;
    };
  }

  const RUNS_GEMMA3N = ['0.9.6', '0.10.0', '0.24.0', '0.33.0-rc2'];

  describe.each(['0.5.13', ...RUNS_GEMMA3N])('%s', (version) => {
    const answer = recorded(version);
    const { capabilities, quantizeTypes } = serverFacts(version);

    test.each([
      ['show-model-info', 'show', '"model_info"'],
      ['show-tensors', 'show', '"tensors"'],
      ['show-capabilities', 'show', '"capabilities"'],
      ['tags-capabilities', 'tags', '"capabilities"'],
    ] as const)('%s: %s has %s', (id, exchange, field) => {
      expect(answer(exchange).body.includes(field)).toBe(capabilities.has(id));
    });

    test('what create says of nothing, of Modelfile text and of a made-up architecture', () => {
      expect(answer('create.nothing').status).toBe(capabilities.has('stream-error-status') ? 400 : 200);
      expect(answer('create.old-style').body.includes('"success"')).toBe(capabilities.has('create-modelfile'));
      const created = answer('create.unknown-architecture').body.includes('"success"');
      expect(created).toBe(!capabilities.has('create-checks-architecture'));
    });

    test('which types it quantizes to', () => {
      const refused = answer('create.quantize.q5_k_m').body.includes('unsupported quantization type');
      expect(refused).toBe(!quantizeTypes.includes('Q5_K_M'));
    });
  });

  test.each(RUNS_GEMMA3N)('%s: what it does with a prompt, and what it tells of it', (version) => {
    const answer = recorded(version);
    const { capabilities } = serverFacts(version);
    const count = (id: string) => /"prompt_eval_count":(\d+)/.exec(answer(id).body)?.[1];
    expect(count('generate')).toBe('18');
    expect(count('generate.stream') === count('generate')).toBe(capabilities.has('prompt-count'));
    expect(count('generate.raw-with-bos') === count('generate.raw')).toBe(capabilities.has('bos-stripped'));
    expect(answer('chat.render-only').body.includes('rendered_template')).toBe(capabilities.has('render-only'));
    expect(answer('ps').body.includes('"size_vram":0,"context_length":512')).toBe(
      capabilities.has('ps-context-length'),
    );
  });
});
