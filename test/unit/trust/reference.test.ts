import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { readPrivateKey, readPublicKey, signManifest, verifySignature } from '../../../src/trust/index.ts';
import { FIXTURES, fixture, MODEL, pemPair } from './support.ts';

const MODEL_SIGNING = 'model_signing';
const missing = spawnSync(MODEL_SIGNING, ['--version']).status !== 0;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trust-'));
  cpSync(join(FIXTURES, 'model'), join(folder, 'model'), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function reference(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(MODEL_SIGNING, args, { cwd: folder, encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

describe('side by side with the reference (skipped where model_signing is not on PATH)', () => {
  test.skipIf(missing).each(['prime256v1', 'secp384r1'])('it verifies what we sign with %s', (curve) => {
    const { privatePem, publicPem } = pemPair(curve);
    writeFileSync(join(folder, 'key.pub'), publicPem);
    const key = readPrivateKey(privatePem, { name: 'key.pem' });
    writeFileSync(join(folder, 'model.sig'), signManifest({ subject: 'model', files: MODEL }, key));
    const verify = ['verify', 'key', 'model', '--public_key', 'key.pub', '--signature', 'model.sig'];
    expect(reference(...verify)).toMatchObject({ status: 0 });
    writeFileSync(join(folder, 'model/config.json'), '{"a": 2}\n');
    const changed = reference(...verify);
    expect(changed.status).not.toBe(0);
    expect(changed.said).toContain("Hash mismatch for 'config.json'");
  });

  test.skipIf(missing)('it verifies one file that we sign', () => {
    const { privatePem, publicPem } = pemPair();
    writeFileSync(join(folder, 'key.pub'), publicPem);
    const files = [{ name: '.', digest: digestOf(fixture('model/config.json')) }];
    const key = readPrivateKey(privatePem, { name: 'key.pem' });
    writeFileSync(join(folder, 'config.sig'), signManifest({ subject: 'config.json', files }, key));
    const verify = ['verify', 'key', 'model/config.json', '--public_key', 'key.pub', '--signature', 'config.sig'];
    expect(reference(...verify)).toMatchObject({ status: 0 });
  });

  test.skipIf(missing)('we verify what it signs with a key of today', () => {
    const { privatePem, publicPem } = pemPair('secp384r1');
    writeFileSync(join(folder, 'key.pem'), privatePem);
    expect(reference('sign', 'key', 'model', '--private_key', 'key.pem', '--signature', 'model.sig')).toMatchObject({
      status: 0,
    });
    const text = readFileSync(join(folder, 'model.sig'), 'utf8');
    const signed = verifySignature(text, { name: 'model.sig', keys: [readPublicKey(publicPem, 'key.pub')] });
    expect(signed.files.map(({ name }) => name).sort()).toEqual(MODEL.map(({ name }) => name).sort());
  });
});
