import { describe, expect, test } from 'vitest';
import { createCredentials } from '../../../src/sources/credentials.ts';

const FILES: Readonly<Record<string, string>> = {
  '/home/me/.cache/huggingface/token': 'hf_home\n',
  '/caches/huggingface/token': 'hf_xdg',
  '/hf/token': 'hf_hfhome',
  '/secret/token': '  hf_path\r\n',
  '/home/me/own': 'hf_tilde',
  '/empty': '\n',
};

function tokenOf(env: Record<string, string>, readText?: (path: string) => Promise<string | undefined>) {
  const read = (path: string) => Promise.resolve(FILES[path]);
  return createCredentials({ env, home: '/home/me', readText: readText ?? read }).hubToken();
}

describe('the token of the hub', () => {
  test.each<[Record<string, string>, string | undefined, string]>([
    [{ HF_TOKEN: 'hf_env', HF_TOKEN_PATH: '/secret/token' }, 'hf_env', 'HF_TOKEN'],
    [{ HF_TOKEN: '', HUGGING_FACE_HUB_TOKEN: 'hf_old' }, 'hf_old', 'HUGGING_FACE_HUB_TOKEN'],
    [{ HF_TOKEN_PATH: '/secret/token', HF_HOME: '/hf' }, 'hf_path', '/secret/token'],
    [{ HF_TOKEN_PATH: '~/own' }, 'hf_tilde', '/home/me/own'],
    [{ HF_HOME: '/hf', XDG_CACHE_HOME: '/caches' }, 'hf_hfhome', '/hf/token'],
    [{ XDG_CACHE_HOME: '/caches' }, 'hf_xdg', '/caches/huggingface/token'],
    [{}, 'hf_home', '/home/me/.cache/huggingface/token'],
    [{ HF_TOKEN_PATH: '/empty' }, undefined, ''],
    [{ HF_TOKEN_PATH: '/nothing' }, undefined, ''],
    [{ HF_TOKEN: 'hf_env', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, undefined, ''],
  ])('of %j', async (env, value, from) => {
    expect(await tokenOf(env)).toEqual(
      value === undefined ? undefined : { value, from, origin: 'https://huggingface.co' },
    );
  });

  test('is for the hub that the user names, else for huggingface.co alone, whatever HF_ENDPOINT is', async () => {
    const originOf = async (env: Record<string, string>) => (await tokenOf({ HF_TOKEN: 'hf_x', ...env }))?.origin;
    expect(await originOf({ HF_ENDPOINT: 'https://mirror.example' })).toBe('https://huggingface.co');
    expect(await originOf({ GEMMA_PROVISION_HF_LOGIN_ENDPOINT: 'https://hub.example/api/' })).toBe(
      'https://hub.example',
    );
    await expect(originOf({ GEMMA_PROVISION_HF_LOGIN_ENDPOINT: 'hub.example' })).rejects.toMatchObject({
      code: 'bad-configuration',
      message: expect.stringContaining('GEMMA_PROVISION_HF_LOGIN_ENDPOINT'),
    });
  });

  test('a file that may not be read counts as none', async () => {
    expect(await tokenOf({}, () => Promise.reject(new Error('EACCES')))).toBeUndefined();
  });

  test.each(['hf_one hf_two', 'hf_ütoken', 'hf_a\nb', 'hf_a\u0000'])(
    '%j is refused without being shown',
    async (value) => {
      const error = await tokenOf({ HF_TOKEN: value }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'bad-configuration', message: expect.stringContaining('from HF_TOKEN') });
      expect(JSON.stringify([error, String(error)])).not.toContain('hf_');
    },
  );

  test('is looked for once in a run', async () => {
    let reads = 0;
    const credentials = createCredentials({
      env: {},
      home: '/home/me',
      readText: () => {
        reads += 1;
        return Promise.resolve('hf_x');
      },
    });
    await Promise.all([credentials.hubToken(), credentials.hubToken()]);
    expect(reads).toBe(1);
  });
});
