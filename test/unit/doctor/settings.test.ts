import { describe, expect, test } from 'vitest';
import { KNOWN_VARIABLES, resolveSettings } from '../../../src/doctor/settings.ts';

describe('settings', () => {
  const base = { flags: {}, env: {}, file: {}, filePath: 'config.json' };
  const host = (over: object) => resolveSettings({ ...base, ...over }).find(({ id }) => id === 'host');
  test('flag, variable, file, OLLAMA_HOST, default, in that order', () => {
    const all = {
      flags: { host: 'a' },
      env: { GEMMA_PROVISION_HOST: 'b', OLLAMA_HOST: 'd' },
      file: { host: 'c' },
    };
    expect(host(all)).toEqual({
      id: 'host',
      value: 'a',
      source: '--host',
      overruled: ['GEMMA_PROVISION_HOST', 'config.json', 'OLLAMA_HOST'],
    });
    expect(host({ ...all, flags: {} })).toMatchObject({ value: 'b', source: 'GEMMA_PROVISION_HOST' });
    expect(host({ env: { OLLAMA_HOST: 'd' }, file: { host: 'c' } })).toMatchObject({
      value: 'c',
      source: 'config.json',
    });
    expect(host({ env: { GEMMA_PROVISION_HOST: '', OLLAMA_HOST: 'd' } })).toMatchObject({
      value: 'd',
      source: 'OLLAMA_HOST',
    });
    expect(host({})).toMatchObject({ value: '127.0.0.1:11434', source: 'default', overruled: [] });
  });
  test('lists are joined, credentials hidden, values of other types left out', () => {
    const settings = resolveSettings({
      ...base,
      flags: { host: 'http://u:p@h' },
      file: { catalog: ['a', 'b'], runtime: 7 },
    });
    expect(settings.find(({ id }) => id === 'host')?.value).toBe('http://***@h');
    expect(settings.find(({ id }) => id === 'catalog')?.value).toBe('a, b');
    expect(settings.find(({ id }) => id === 'runtime')).toMatchObject({ value: 'auto', source: 'default' });
  });

  test('switches and maps of the file are shown as one line', () => {
    const settings = resolveSettings({ ...base, file: { offline: true, ca: './ca.pem' } });
    expect(settings.find(({ id }) => id === 'offline')).toMatchObject({ value: 'true', source: 'config.json' });
    expect(settings.find(({ id }) => id === 'ca')).toMatchObject({ value: './ca.pem' });
  });

  test('every variable that this tool reads is known, and a password is hidden', () => {
    const env = { GEMMA_PROVISION_OCI_PASSWORD: 'correct horse', GEMMA_PROVISION_CA: '/ca.pem' };
    const settings = resolveSettings({ ...base, env });
    expect(settings.find(({ id }) => id === 'oci-password')).toMatchObject({ value: '(hidden)' });
    for (const name of ['CA', 'OFFLINE', 'REQUIRE_TLS', 'OCI_REALM', 'OCI_PLAIN_HTTP', 'KEY_PASSPHRASE'])
      expect(KNOWN_VARIABLES).toContain(`GEMMA_PROVISION_${name}`);
  });
});
