import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CheckTarget, checkServer, isSupported, type Verdict } from '../../../src/compat/check.ts';
import { matrix } from '../../../src/compat/matrix.ts';

const CARD: CheckTarget = {
  architecture: 'gemma3n',
  quant: 'q5_k_m',
  pull: { library: 'gemma3n:e4b', minimumVersion: '0.10.0' },
  parameters: ['num_ctx', 'temperature', 'stop'],
};

function verdictOf(id: string, version: string, target?: CheckTarget): Verdict {
  const found = checkServer(version, target).find((verdict) => verdict.id === id);
  if (found === undefined) throw new Error(`no verdict ${id} for ${version}`);
  return found;
}

describe('gemma-3n-e4b:q5_k_m on every generation', () => {
  test.each([
    ['0.1.33', false],
    ['0.1.34', false],
    ['0.5.4', false],
    ['0.5.13', false],
    ['0.6.5', false],
    ['0.9.2', false],
    ['0.9.3', true],
    ['0.9.6', true],
    ['0.10.0', true],
    ['0.24.0', true],
    ['0.30.0', true],
    ['0.33.0-rc2', true],
    ['0.99.0', true],
    ['0.0.0', true],
    ['0.24.0-ipex', true],
    ['0.6.5-rocm', false],
    ['', true],
    ['<html>', true],
  ])('%j: %s', (version, supported) => {
    expect(isSupported(checkServer(version, CARD))).toBe(supported);
  });

  test('too old for the architecture: why, and what to do', () => {
    expect(verdictOf('architecture.gemma3n', '0.6.5', CARD)).toEqual({
      id: 'architecture.gemma3n',
      ok: false,
      blocking: true,
      since: '0.9.3',
      reason: expect.stringMatching(
        /^Ollama 0\.6\.5 does not support gemma3n \(since 0\.9\.3\); it creates the model, then fails/,
      ),
      remedy: 'Upgrade Ollama to 0.9.3 or later, or install with --runtime embedded.',
      basis: 'live',
    });
    expect(verdictOf('quant.q5_k_m', '0.6.5', CARD)).toMatchObject({ ok: false, blocking: true, since: '0.9.3' });
    expect(verdictOf('library.gemma3n', '0.6.5', CARD).remedy).toBe('Upgrade Ollama to 0.10.0 or later.');
  });

  test("between the engine and the card's figure: a local GGUF runs, the pre-built model does not", () => {
    expect(verdictOf('architecture.gemma3n', '0.9.6', CARD)).toMatchObject({ ok: true, blocking: false });
    expect(verdictOf('library.gemma3n', '0.9.6', CARD)).toMatchObject({
      ok: false,
      blocking: false,
      since: '0.10.0',
      reason: expect.stringMatching(
        /needs Ollama 0\.10\.0.*this server is 0\.9\.6 \(not verified: taken from a model card\)$/,
      ),
      remedy: 'Upgrade Ollama to 0.10.0 or later, or install a local GGUF with --from FILE.',
      basis: 'third-party',
    });
    expect(verdictOf('library.gemma3n', '0.10.0', CARD)).toMatchObject({ ok: true, blocking: false });
  });
});

describe('the ids', () => {
  const base = checkServer('0.24.0').map(({ id }) => id);

  test('without a target: version, features, dangers', () => {
    const rows = matrix();
    expect(base).toEqual([
      'version',
      ...rows.capabilities.map(({ id }) => `feature.${id}`),
      ...rows.dangers.map(({ id }) => `danger.${id}`),
    ]);
  });

  test('are the same for every version, each once', () => {
    for (const version of ['0.1.34', '0.5.4', '0.10.0', '0.30.0', '0.33.0', '9.9.9', '0.0.0', '0.9.6-fork', 'x']) {
      expect(checkServer(version).map(({ id }) => id)).toEqual(base);
      const withTarget = checkServer(version, { ...CARD, projector: true, fileSplit: true }).map(({ id }) => id);
      expect(new Set(withTarget).size).toBe(withTarget.length);
      expect(withTarget).toEqual(
        expect.arrayContaining([
          'architecture.gemma3n',
          'quant.q5_k_m',
          'library.gemma3n',
          'create.protocol',
          'option.num_ctx',
          'option.temperature',
          'option.stop',
          'feature.projector',
        ]),
      );
    }
  });

  test('a parameter that is named twice has one verdict', () => {
    const ids = checkServer('0.24.0', { architecture: 'gemma3n', parameters: ['stop', 'stop'] }).map(({ id }) => id);
    expect(ids.filter((id) => id === 'option.stop')).toHaveLength(1);
  });
});

describe('every verdict', () => {
  const versions = ['0.1.34', '0.5.4', '0.5.13', '0.9.6', '0.24.0', '0.30.0', '0.33.0', '0.50.0', '0.0.0', '0.24.0-x'];
  const all = versions.flatMap((version) =>
    checkServer(version, {
      ...CARD,
      projector: true,
      fileSplit: true,
      parameters: ['mirostat', 'min_p', 'nonsense'],
    }),
  );

  test('blocks only where it is not ok, and then says what to do', () => {
    for (const { id, ok, blocking, remedy } of all) {
      expect(ok && blocking, id).toBe(false);
      if (!ok) expect(remedy, id).toMatch(/\.$/);
    }
  });

  test('ends its reason with a full stop, or with why it is not verified', () => {
    for (const { id, reason } of all) expect(reason, id).toMatch(/(\.|\(not verified: [^()]+\))$/);
  });

  test('says so where its basis is a guess or a report', () => {
    for (const { id, reason, basis } of all) {
      if (basis === 'third-party' || basis === 'inferred') expect(reason, id).toContain('(not verified: ');
    }
  });
});

describe('the version', () => {
  test.each([
    ['0.24.0', 'live', 'was tested for this matrix'],
    ['v0.24.0', 'live', 'was tested for this matrix'],
    ['0.23.0', 'source', 'known from its source code'],
    ['0.40.0', 'inferred', 'newer than 0.33.0'],
    ['0.24.0-ipex', 'inferred', 'custom build; it is treated as 0.24.0'],
    ['0.0.0', 'unknown', 'treated as Ollama 0.33.0'],
    ['', 'unknown', 'reports no version'],
  ])('%j: %s', (version, basis, text) => {
    const verdict = verdictOf('version', version);
    expect(verdict).toMatchObject({ ok: true, blocking: false, basis, reason: expect.stringContaining(text) });
    expect(verdict.reason.endsWith(')')).toBe(basis === 'inferred' || basis === 'unknown');
  });

  test('one that is older than all rows blocks, with or without a target', () => {
    expect(verdictOf('version', '0.1.33')).toMatchObject({ ok: false, blocking: true, since: '0.1.34' });
    expect(isSupported(checkServer('0.1.33'))).toBe(false);
    expect(isSupported(checkServer('0.1.33', { architecture: 'gemma' }))).toBe(false);
  });

  test('newer ones get every ability of the newest known, as an assumption', () => {
    const newest = new Map(checkServer('0.33.0').map((verdict) => [verdict.id, verdict]));
    for (const verdict of checkServer('0.77.1')) {
      expect(verdict.ok, verdict.id).toBe(newest.get(verdict.id)?.ok);
      expect(verdict.basis).toBe('inferred');
      expect(verdict.reason).toContain('not verified: ');
    }
  });

  test('never throws, whatever a server or a catalog says', () => {
    const target = fc.record(
      {
        architecture: fc.string(),
        quant: fc.string(),
        fileSplit: fc.boolean(),
        projector: fc.boolean(),
        pull: fc.record({ library: fc.string(), minimumVersion: fc.string() }, { requiredKeys: ['library'] }),
        parameters: fc.array(fc.string()),
      },
      { requiredKeys: ['architecture'] },
    );
    const version = fc.oneof(fc.string(), fc.constantFrom('0.5.4', '0.9.6', '0.30.0', '0.0.0', '99.1.2', '0.1.2'));
    fc.assert(fc.property(version, target, (said, wanted) => checkServer(said, wanted).length > 1));
    fc.assert(fc.property(version, (said) => checkServer(said).every(({ id }) => id !== '')));
  });
});

describe('what the target needs', () => {
  test.each(['__proto__', 'constructor', 'gemma9', ''])(
    'the architecture %j is let through, unproven',
    (architecture) => {
      const verdicts = checkServer('0.24.0', { architecture, quant: 'q4_0' });
      expect(verdicts.find(({ id }) => id === `architecture.${architecture}`)).toMatchObject({
        ok: true,
        basis: 'unknown',
      });
      expect(verdicts.find(({ id }) => id === 'quant.q4_0')).toMatchObject({ ok: true, basis: 'unknown' });
    },
  );

  test.each([
    ['0.24.0', true, false],
    ['0.30.0', true, true],
    ['0.24.0', false, true],
  ])('a file in parts on %s (%s) is supported: %s', (version, fileSplit, supported) => {
    expect(isSupported(checkServer(version, { architecture: 'gemma3n', fileSplit }))).toBe(supported);
  });

  test('a file in parts is to be merged for an older server', () => {
    const verdict = verdictOf('feature.split-gguf', '0.24.0', { architecture: 'gemma3n', fileSplit: true });
    expect(verdict).toMatchObject({ ok: false, blocking: true, since: '0.30.0' });
    expect(verdict.remedy).toContain('llama-gguf-split --merge');
    expect(verdictOf('feature.split-gguf', '0.24.0')).toMatchObject({ ok: false, blocking: false });
  });

  test.each([
    ['gemma4', '0.24.0', false, 'unable to load model'],
    ['gemma4', '0.30.0', true, 'since 0.30.0'],
    ['gemma3', '0.11.10', false, 'invents answers'],
    ['gemma3', '0.11.11', true, 'since 0.11.11'],
    ['gemma3n', '0.24.0', false, 'only the text part'],
    ['gemma3n', '0.33.0', true, '(not verified: inferred)'],
    ['gemma9', '0.24.0', true, 'not known'],
  ])('a projector for %s on %s: %s', (architecture, version, ok, text) => {
    const verdict = verdictOf('feature.projector', version, { architecture, projector: true });
    expect(verdict).toMatchObject({ ok, blocking: !ok, reason: expect.stringContaining(text) });
  });

  test.each([
    ['0.5.4', 'create-modelfile', 'Modelfile text'],
    ['0.5.5', 'create-files', 'files by digest'],
    ['0.0.0', 'create-files', 'files by digest'],
  ])('the create protocol of %s is %s', (version, _, text) => {
    const verdict = verdictOf('create.protocol', version, { architecture: 'gemma3n' });
    expect(verdict).toMatchObject({ ok: true, blocking: false, reason: expect.stringContaining(text) });
  });

  test('the template that create would find is reported by architecture', () => {
    const reason = (architecture: string) => verdictOf('feature.template-detection', '0.24.0', { architecture }).reason;
    expect(reason('gemma3n')).toMatch(/^No Ollama version detects a TEMPLATE for gemma3n/);
    expect(reason('gemma3')).toContain('gemma3-instruct for gemma3 since 0.6.3');
  });
});

describe('the library', () => {
  test.each([
    ['registry.ollama.ai/library/gemma3n:e4b', undefined, 'library.gemma3n', '0.10.0'],
    ['gemma3n', '0.9.3', 'library.gemma3n', '0.9.3'],
    ['gemma3n', '8846aace', 'library.gemma3n', '0.10.0'],
    ['gemma4:12b', '0.30.4', 'library.gemma4', '0.30.4'],
    ['llama9', '0.40', 'library.llama9', '0.40.0'],
    ['llama9', undefined, 'library.llama9', undefined],
  ])('%s that asks for %s', (library, minimumVersion, id, since) => {
    const pull = { library, ...(minimumVersion !== undefined && { minimumVersion }) };
    const verdict = verdictOf(id, '0.24.0', { architecture: 'gemma3n', pull });
    expect(verdict.since).toBe(since);
    expect(verdict.blocking).toBe(false);
  });
});

describe('quants', () => {
  interface Run {
    readonly version: string;
    readonly quant: string;
    readonly loaded: boolean;
  }
  const runs = JSON.parse(readFileSync('test/fixtures/compat/quant-runs.json', 'utf8')) as readonly Run[];

  test.each(runs)('$quant on a real $version: $loaded', ({ version, quant, loaded }) => {
    const target = { architecture: 'gemma3n', quant };
    expect(verdictOf(`quant.${quant.toLowerCase()}`, version, target)).toMatchObject({ ok: loaded, basis: 'live' });
    expect(isSupported(checkServer(version, target))).toBe(loaded);
  });

  test.each([
    ['0.10.0', 'q5_k_m', /on the CPU; on a GPU .* reported to fail; .* \(not verified: taken from documentation\)$/],
    ['0.24.0', 'Q2_K', /reported to fail/],
    ['0.24.0', 'q4_0', /on a GPU it is reported to work \(not verified: taken from documentation\)$/],
    ['0.33.0-rc2', 'q5_k_m', /stay on the CPU, so every quant should load \(not verified: inferred\)$/],
    ['0.44.0', 'q5_k_m', /\(not verified: newer than 0\.33\.0\); on a GPU/],
    ['0.24.0', 'iq2_xs', /^Whether Ollama 0\.24\.0 runs iq2_xs of gemma3n is not known/],
  ])('what %s is told of %s', (version, quant, reason) => {
    expect(verdictOf(`quant.${quant.toLowerCase()}`, version, { architecture: 'gemma3n', quant }).reason).toMatch(
      reason,
    );
  });
});

describe('a quant of an architecture without runs of its own', () => {
  const quantOf = (architecture: string, quant: string) =>
    verdictOf(`quant.${quant}`, '0.33.0-rc2', { architecture, quant });

  test.each([
    ['gemma4', 'q4_0-qat', 'q4_0'],
    ['gemma4', 'f16', 'f16'],
    ['gemma3', 'q5_1', 'q5_1'],
  ])('%s in %s is inferred from the runs of another in %s on the same engine', (architecture, quant, type) => {
    const verdict = quantOf(architecture, quant);
    expect(verdict).toMatchObject({ ok: true, basis: 'inferred' });
    expect(verdict.reason).toContain(`loads ${type} of gemma3n on the CPU, so it should load ${quant} of`);
    expect(verdict.reason).toMatch(/\(not verified: inferred\)$/);
  });

  test('a repacked file is judged as its type', () => {
    expect(quantOf('gemma4', 'q4_0-qat').basis).toBe(quantOf('gemma4', 'q4_0').basis);
  });

  test('a type that nobody saw load is unknown', () => {
    expect(quantOf('gemma4', 'iq2_xs')).toMatchObject({ ok: true, basis: 'unknown' });
  });
});

test('isSupported: only what blocks and is not ok forbids', () => {
  const verdict = { id: 'x', reason: 'y', basis: 'live' } as const;
  expect(isSupported([])).toBe(true);
  expect(isSupported([{ ...verdict, ok: false, blocking: false }])).toBe(true);
  expect(isSupported([{ ...verdict, ok: true, blocking: true }])).toBe(true);
  expect(
    isSupported([
      { ...verdict, ok: true, blocking: false },
      { ...verdict, ok: false, blocking: true },
    ]),
  ).toBe(false);
});

test('a check loads no schema library: it is started once for each host of a fleet', () => {
  const loaded = new Set<string>();
  const packages = new Set<string>();
  (function follow(file: string): void {
    if (loaded.has(file) || !file.endsWith('.ts')) return;
    loaded.add(file);
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export) (?!type )[^;]*?from '([^']+)'/gms,
    )) {
      if (name.startsWith('.')) follow(join(dirname(file), name));
      else packages.add(name);
    }
  })('src/compat/check.ts');
  expect([...loaded]).toContain('src/compat/lookup.ts');
  expect([...packages]).toEqual([]);
});
