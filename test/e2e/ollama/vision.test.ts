/** A model with a projector on a real Ollama: created, shown a picture, damaged, repaired, removed. The tiny model's answers mean nothing. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ollamaFacts } from '../../../src/runtimes/registry.ts';
import { type Home, makeHome } from '../../helpers/cli.ts';
import { type OllamaServer, startOllama, whyNoOllama } from '../../helpers/ollama-server.ts';
import { tinyGemma3, tinyProjector } from '../../helpers/tiny-vision.ts';

const SLOW = { timeout: 240_000 };
const skipped = process.env.OLLAMA_BIN ? whyNoOllama() : 'set OLLAMA_BIN to an ollama program';
const server: OllamaServer | undefined = skipped === undefined ? await startOllama() : undefined;
const version = server === undefined ? '' : await versionOf(server);
const refusal = server === undefined ? undefined : ollamaFacts(version).projectorRefusal('gemma3');

const NAME = `gemma-provision-test:${randomBytes(4).toString('hex')}`;

async function versionOf({ host }: OllamaServer): Promise<string> {
  const { version: found } = (await (await fetch(`http://${host}/api/version`)).json()) as { version: string };
  return found;
}

describe.skipIf(skipped !== undefined)(`a projector on a real Ollama${skipped ? ` (skipped: ${skipped})` : ''}`, () => {
  let home: Home;
  let folder: string;
  let from: string[];
  let wanted: `sha256:${string}`;

  const at = () => ['--runtime', 'ollama', '--host', server?.host ?? ''];
  const install = (...more: string[]) =>
    home.json('install', [...from, '--name', NAME, '--no-smoke', '--accept-license', ...more, ...at()]);
  const blobOf = (digest: string) => join(server?.models ?? '', 'blobs', digest.replace(':', '-'));

  beforeAll(async () => {
    home = makeHome();
    folder = await mkdtemp(join(tmpdir(), 'ollama-vision-e2e-'));
    const projector = tinyProjector();
    wanted = `sha256:${createHash('sha256').update(projector).digest('hex')}`;
    await writeFile(join(folder, 'model.gguf'), tinyGemma3());
    await writeFile(join(folder, 'mmproj.gguf'), projector);
    await writeFile(join(folder, 'other.gguf'), tinyProjector({ width: 32 }));
    from = ['--from', join(folder, 'model.gguf')];
  });

  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
    home.remove();
  }, 60_000);

  test.runIf(refusal !== undefined)('an older server is refused before anything moves', SLOW, async () => {
    const refused = await install('--projector', join(folder, 'mmproj.gguf'));
    expect(refused).toMatchObject({ code: 13, error: { code: 'runtime-too-old' } });
  });

  describe.runIf(refusal === undefined)('0.30.0 or later', () => {
    test('a projector of another width is refused before anything moves', SLOW, async () => {
      const refused = await install('--projector', join(folder, 'other.gguf'));
      expect(refused).toMatchObject({ code: 16, error: { code: 'wrong-architecture' } });
      expect((await home.json('list', [])).data?.records).toEqual([]);
    });

    test.each(['loopback-pull', 'upload'])('is created with the model, byte for byte, by %s', SLOW, async (way) => {
      const done = await install('--projector', join(folder, 'mmproj.gguf'), '--via', way, '--force');
      expect(done, done.error?.message).toMatchObject({ code: 0, data: { changed: true } });
      expect(done.data?.record).toMatchObject({
        projector: { id: 'own', serves: ['image'], source: { digest: wanted } },
        stored: { projectorDigest: wanted },
      });
      const again = await install('--projector', join(folder, 'mmproj.gguf'));
      expect(again).toMatchObject({ code: 0, data: { changed: false, bytesMoved: 0 } });
    });

    test('the model takes a picture: its prompt is longer by that', SLOW, async () => {
      const picture = PNG.toString('base64');
      const [without, withPicture] = [await tokensFor([]), await tokensFor([picture])];
      expect(withPicture).toBeGreaterThan(without);
    });

    test('a corrupt and a missing projector are found and repaired', SLOW, async () => {
      for (const damage of [
        async () => writeFile(blobOf(wanted), Buffer.alloc((await stat(blobOf(wanted))).size)),
        () => rm(blobOf(wanted)),
      ]) {
        await damage();
        const found = await home.json('verify', [NAME, ...at()]);
        expect(found.data?.results[0]?.problems[0]).toMatchObject({ digest: wanted });
        const repaired = await home.json('repair', [NAME, '--no-smoke', ...at()]);
        expect(repaired, repaired.error?.message).toMatchObject({ code: 0 });
        expect(
          createHash('sha256')
            .update(await readFile(blobOf(wanted)))
            .digest('hex'),
        ).toBe(wanted.slice(7));
      }
    });

    test('a lock file has both files, and a frozen install puts both in place', SLOW, async () => {
      const file = join(folder, 'gemma-provision.lock');
      const what = [...from, '--projector', join(folder, 'mmproj.gguf'), '--name', `${NAME}-2`, '--file', file];
      const locked = await home.json('lock', [...what, ...at()]);
      expect(locked.data?.lock).toMatchObject({ projector: { digest: wanted }, server: { min: '0.30.0' } });
      const frozen = ['--frozen', '--lock', file, '--no-smoke', '--accept-license', ...at()];
      const done = await home.json('install', frozen);
      expect(done.data?.record?.stored.projectorDigest).toBe(wanted);
      const blind = await home.json('install', [...frozen, '--vision', 'off']);
      expect(blind).toMatchObject({ error: { code: 'lock-differs' } });
    });

    test('a bundle would lose it, and is refused', SLOW, async () => {
      const refused = await home.json('bundle create', [NAME, join(folder, 'model.gpbundle'), ...at()]);
      expect(refused).toMatchObject({ code: 2, error: { message: expect.stringContaining('has a projector') } });
    });

    test('without --vision the same install stays as it is; --vision off takes the projector away', SLOW, async () => {
      expect(await install()).toMatchObject({ code: 0, data: { changed: false } });
      const off = await install('--vision', 'off');
      expect(off).toMatchObject({ code: 0, data: { changed: true } });
      expect(off.data?.record?.projector).toBeUndefined();
      expect(off.data?.record?.previous?.projector?.source.digest).toBe(wanted);
    });

    test('nothing of it stays after the model and its previous version are removed', SLOW, async () => {
      for (const name of [NAME, `${NAME}-2`])
        expect(await home.json('remove', [name, ...at()])).toMatchObject({ code: 0 });
      await expect(stat(blobOf(wanted))).rejects.toMatchObject({ code: 'ENOENT' });
    });
  });

  async function tokensFor(images: readonly string[]): Promise<number> {
    const messages = [{ role: 'user', content: 'What is it?', images }];
    const body = JSON.stringify({ model: NAME, messages, stream: false, options: { num_predict: 2, temperature: 0 } });
    const reply = await fetch(`http://${server?.host}/api/chat`, { method: 'POST', body });
    const { prompt_eval_count: tokens, error } = (await reply.json()) as { prompt_eval_count: number; error?: string };
    expect(error).toBeUndefined();
    return tokens;
  }
});

/** One red pixel. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC',
  'base64',
);
