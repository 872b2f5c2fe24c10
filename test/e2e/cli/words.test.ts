/** What the command line says of itself: help, completion, nearest matches, the data commands. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RESULTS } from '../../../scripts/results.ts';
import { type Home, makeHome, ROOT } from '../../helpers/cli.ts';

let home: Home;
beforeAll(() => {
  home = makeHome();
});
afterAll(() => home.remove());

describe('help', () => {
  test.each(Object.keys(RESULTS))('%s has a usage line, examples and --json', async (command) => {
    const { code, stdout } = await home.run([...command.split(' '), '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`$ gemma-provision ${command}`);
    expect(stdout).toContain('EXAMPLES');
    expect(stdout).toContain('--json');
  });

  test('the root lists every command or its topic', async () => {
    const { stdout } = await home.run(['--help']);
    for (const command of Object.keys(RESULTS)) expect(stdout).toContain(command.split(' ')[0]);
  });

  test('--version says package and version', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect((await home.run(['--version'])).stdout).toMatch(new RegExp(`^gemma-provision/${version} `));
  });
});

describe('a slip of the hand gets the nearest match', () => {
  test('a command', async () => {
    const text = await home.run(['instal']);
    expect(text.code).toBe(2);
    expect(text.stderr).toContain('gemma-provision install');
    const json = await home.run(['catalog', 'lst', '--json']);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      error: { code: 'bad-usage', suggestions: [expect.stringContaining('catalog list'), expect.anything()] },
    });
  });

  test.each([
    ['a model', ['gemma-3n-e4'], 3, 'gemma-3n-e4b'],
    ['a quant', ['tiny-gemma-3n:q4_km'], 3, 'q4_k_m'],
    ['a flag', ['tiny-gemma-3n', '--form', 'x'], 2, '--from'],
    ['a value of a flag', ['tiny-gemma-3n', '--use-case', 'chatbt'], 2, 'chatbot'],
    ['a sampling profile', ['tiny-gemma-3n', '--sampling', 'crad'], 2, 'card'],
  ])('%s', async (_what, args, exit, word) => {
    const { code, ok, error } = await home.json('install', args);
    expect([code, ok]).toEqual([exit, false]);
    expect(error.suggestions.concat(error.message).join(' ')).toContain(word);
  });

  test('a missing argument is usage, as JSON too', async () => {
    expect(await home.json('show', [])).toMatchObject({ code: 2, error: { code: 'bad-usage' } });
  });
});

describe('completion', () => {
  test.each(['bash', 'zsh', 'fish'])('%s', async (shell) => {
    const { code, stdout } = await home.run(['completion', shell]);
    expect(code).toBe(0);
    expect(stdout).toContain('accept-license');
    const path = join(home.path, `completion.${shell}`);
    writeFileSync(path, stdout);
    const checked = spawnSync(shell, ['-n', path], { encoding: 'utf8' });
    if (checked.error === undefined) expect(checked).toMatchObject({ status: 0, stderr: '' });
  });

  test('bash really completes commands, verbs, flags and values', async () => {
    const path = join(home.path, 'completion.bash');
    writeFileSync(path, (await home.run(['completion', 'bash'])).stdout);
    const complete = (...words: string[]) => {
      const line = words.map((word) => `'${word}'`).join(' ');
      const script = `compopt() { :; }; source '${path}'; COMP_WORDS=(gemma-provision ${line}); COMP_CWORD=${words.length}; _gemma_provision; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split('\n');
    };
    expect(complete('inst')).toEqual(['install']);
    expect(complete('catalog', 'v')).toEqual(['validate', 'verify']);
    expect(complete('install', '--acc')).toEqual(['--accept-license']);
    expect(complete('install', '--runtime', 'e')).toEqual(['embedded']);
  });
});

describe('data commands', () => {
  const profiles = readdirSync(join(ROOT, 'test/fixtures/profiles'));
  test.each(profiles)('recommend ranks all quants with reasons on %s', async (profile) => {
    const { code, data } = await home.json('recommend', [
      'gemma-3n-e4b',
      '--profile',
      join(ROOT, 'test/fixtures/profiles', profile),
    ]);
    expect(code).toBe(data?.choice === undefined ? 4 : 0);
    expect(data?.candidates).toHaveLength(15);
    for (const { quant, reasons, blockedBy } of data?.candidates ?? []) {
      expect(reasons.length + blockedBy.length, quant).toBeGreaterThan(0);
    }
  });

  test('recommend says no with exit 4 where nothing fits', async () => {
    const { code, ok, data } = await home.json('recommend', ['gemma-3n-e4b', '--what-if', 'ram=1GiB,vram=0']);
    expect([code, ok, data?.choice]).toEqual([4, false, undefined]);
  });

  test('hardware names the source of facts and saves a profile that can be planned with', async () => {
    const saved = join(home.path, 'host.json');
    const { data } = await home.json('hardware', ['--save', saved]);
    expect(Object.keys(data?.profile.sources ?? {})).not.toEqual([]);
    expect((await home.json('recommend', ['tiny-gemma-3n', '--profile', saved])).code).toBe(0);
    const broken = join(home.path, 'broken.json');
    writeFileSync(broken, '{}');
    expect(await home.json('recommend', ['--profile', broken])).toMatchObject({ error: { code: 'bad-profile' } });
  });

  test('modelfile render prints the committed file', async () => {
    const { data } = await home.json('modelfile render', ['tiny-gemma-3n:q4_k_m']);
    expect(data?.modelfile).toContain('FROM ');
    expect((await home.run(['modelfile', 'render', 'tiny-gemma-3n:q4_k_m'])).stdout).toBe(data?.modelfile);
    expect(await home.json('modelfile render', ['gemma-3n-e4b'])).toMatchObject({ code: 2 });
  });

  test('modelfile check sees a changed, a missing and an orphaned file', async () => {
    expect(await home.json('modelfile check', [])).toMatchObject({ code: 0, data: { differences: [] } });
    const folder = join(home.path, 'modelfiles');
    cpSync(join(ROOT, 'modelfiles'), folder, { recursive: true });
    const [first = '', second = ''] = readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.Modelfile'));
    writeFileSync(join(folder, first), 'FROM x\n');
    rmSync(join(folder, second));
    writeFileSync(join(folder, 'orphan.Modelfile'), 'FROM x\n');
    const { code, ok, data } = await home.json('modelfile check', ['--folder', folder]);
    expect([code, ok]).toEqual([4, false]);
    expect(data?.differences).toHaveLength(3);
  });

  test('catalog list and show', async () => {
    const { data } = await home.json('catalog list', []);
    expect(data?.families.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['gemma-3n', 'gemma-3', 'tiny-gemma-3n']),
    );
    expect((await home.json('catalog show', ['gemma-3n-e4b'])).data?.model.quants).toHaveLength(15);
    const one = await home.json('catalog show', ['gemma-3n-e4b:Q4_0']);
    expect(one.data?.model.quants.map(({ id }) => id)).toEqual(['q4_0']);
    expect(await home.json('catalog show', ['gema-3n-e4b'])).toMatchObject({
      code: 3,
      error: { code: 'model-not-found' },
    });
  });
});
