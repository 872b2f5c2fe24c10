import { afterEach, describe, expect, test } from 'vitest';
import { NO_DIGEST_CACHE } from '../../../../src/disk/digest-cache.ts';
import { createHasher } from '../../../../src/disk/hash.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../../src/runtimes/ollama/runtime.ts';
import { never } from '../../../helpers/failure.ts';
import { type FakeOllama, fakeOllama } from '../../../helpers/fake-ollama.ts';
import { zeroFile } from '../../../helpers/runtime-fakes.ts';
import { countingFiles } from '../../sources/support.ts';

const GOOD = { blob: 'sha256:b', template: '', parameters: {}, license: '', digest: 'a'.repeat(64) };

let fake: FakeOllama | undefined;
afterEach(async () => {
  await fake?.close();
  fake = undefined;
});

/** A server of 0.24 with a manifest of 0 bytes for `broken:t`: not listed, and an error for show and delete. */
async function serverWith(models: readonly string[]): Promise<{ server: FakeOllama; runtime: OllamaRuntime }> {
  const server = await fakeOllama('0.24.0');
  fake = server;
  for (const name of models) server.models.set(name, GOOD);
  server.trick = (response, path, body) => {
    const unreadable = path === 'POST /api/show' || path === 'DELETE /api/delete';
    if (!unreadable || !body.includes('broken:t') || server.models.has('broken:t')) return false;
    response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":"EOF"}');
    return true;
  };
  const { disk } = countingFiles();
  const runtime = ollamaRuntime({
    host: parseHost(server.host),
    files: { open: zeroFile, hash: createHasher(disk, NO_DIGEST_CACHE) },
    now: () => 0,
  });
  return { server, runtime };
}

describe('row 21: a manifest that the server cannot read', () => {
  test('is reported as what needs repair, with what to do', async () => {
    const { runtime } = await serverWith(['good:t']);
    await expect(runtime.find('broken:t', never)).rejects.toMatchObject({
      code: 'needs-repair',
      exitCode: 18,
      message: expect.stringContaining('broken:t'),
      suggestions: [expect.stringContaining('repair'), expect.stringContaining('Free space')],
    });
  });

  test('goes although the server cannot delete it: another model is copied over it first', async () => {
    const { server, runtime } = await serverWith(['good:t']);
    await runtime.remove('broken:t', never);
    expect(server.count('POST /api/copy')).toBe(1);
    expect(server.count('DELETE /api/delete')).toBe(2);
    expect([...server.models.keys()]).toEqual(['good:t']);
  });

  test('cannot go where there is no other model, and that is told', async () => {
    const { server, runtime } = await serverWith([]);
    await expect(runtime.remove('broken:t', never)).rejects.toMatchObject({ code: 'needs-repair', exitCode: 18 });
    expect(server.count('POST /api/copy')).toBe(0);
  });
});
