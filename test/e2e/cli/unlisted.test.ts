import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome } from '../../helpers/cli.ts';
import type { MetadataSpec } from '../../helpers/gguf-builder.ts';
import { CHATML, tinyLlama } from '../../helpers/tiny-llama.ts';

let home: Home;

beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

async function fileOf(content: Buffer, name = 'mine.gguf'): Promise<string> {
  const path = join(home.path, name);
  await writeFile(path, content);
  return path;
}

const text = (key: string, value: string): MetadataSpec => ({ key, type: 'string', value });

describe('a model of a family that the catalog does not know', () => {
  test('is installed from its header, proven against its own template, and recorded; what is not known is said', async () => {
    const path = await fileOf(tinyLlama(CHATML));
    const installed = await home.json('install', ['--from', path]);
    expect(installed).toMatchObject({
      code: 0,
      data: { model: 'tiny-llama-of-tests', quant: 'f32', name: 'tiny-llama-of-tests:f32', licence: { id: 'mit' } },
    });
    expect(installed.data?.smoke).toMatchObject({ suite: 'base', failed: 0 });
    expect(installed.warnings.join('\n')).toMatch(/llama is not in the catalog.*not known/);
    expect(installed.warnings.join('\n')).toContain('names the licence mit; its text is not in the file');

    expect((await home.json('install', ['--from', path])).data).toMatchObject({ bytesMoved: 0 });
    const { data } = await home.json('show', ['tiny-llama-of-tests:f32']);
    expect(data?.records[0]).toMatchObject({ family: 'unlisted-llama', template: { name: 'chatml' } });
    expect(await home.json('verify', ['tiny-llama-of-tests:f32'])).toMatchObject({ code: 0 });
    expect(await home.json('upgrade', ['tiny-llama-of-tests:f32'])).toMatchObject({ code: 0 });
    expect(await home.json('run', ['tiny-llama-of-tests:f32', 'Hello'])).toMatchObject({ code: 0 });
    expect(await home.json('remove', ['tiny-llama-of-tests:f32'])).toMatchObject({ code: 0 });
  });

  test('without a chat template it is a pretrained model', async () => {
    const installed = await home.json('install', ['--from', await fileOf(tinyLlama(undefined))]);
    expect(installed).toMatchObject({ code: 0, data: { smoke: { suite: 'base', failed: 0 } } });
  });

  test('recommend answers from the header alone', async () => {
    const { code, data, warnings } = await home.json('recommend', ['--from', await fileOf(tinyLlama(CHATML))]);
    expect(code).toBe(0);
    expect(data?.choice?.quant).toBe('f32');
    expect(warnings.join('\n')).toContain('is not in the catalog');
  });

  test('what its header claims reaches neither the terminal nor a name', async () => {
    const evil = {
      'general.name': text('general.name', `\u001b[2J../../etc/${'a'.repeat(400)}`),
      'general.license': text('general.license', 'mit\n\u001b[31mfree beer'),
      'general.license.link': text('general.license.link', 'javascript:alert(1)'),
      'general.organization': text('general.organization', '\u0000'),
    };
    const path = await fileOf(tinyLlama(CHATML, evil));
    const plan = await home.run(['install', '--from', path, '--dry-run']);
    expect(plan.code).toBe(0);
    for (const code of ['\u001b[2J', '\u001b[31m']) expect(plan.stdout + plan.stderr).not.toContain(code);
    expect(plan.stdout + plan.stderr).not.toContain('javascript:');
    const { data } = await home.json('install', ['--from', path, '--dry-run']);
    expect(data?.model).toMatch(/^[a-z0-9.-]{1,48}$/);
  });
});
