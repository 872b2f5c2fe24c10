/** The tar reader and writer: what goes in comes out, and nothing that could mean two things is read. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checksumOf, type RandomAccess, readTar, type TarFile, tarSize, writeTar } from '../../../src/package/tar.ts';
import { onPath } from '../../helpers/docker-registry.ts';
import { collect, memoryFile } from '../../helpers/memory-file.ts';

const fileOf = (name: string, text: string): TarFile => ({ name, size: text.length, bytes: () => [Buffer.from(text)] });

async function tarOf(files: readonly TarFile[]): Promise<Buffer> {
  return await collect(writeTar(files));
}

/** Changes a header and makes its checksum right again. */
function edited(tar: Buffer, edit: (header: Buffer) => void, at = 0): Buffer {
  const copy = Buffer.from(tar);
  const header = copy.subarray(at, at + 512);
  edit(header);
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

const failure = (tar: Uint8Array) =>
  readTar(memoryFile(tar)).then(
    () => 'read',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );

test('what is written is read again, with its places', async () => {
  const files = [fileOf('oci-layout', 'a'), fileOf('blobs/sha256/x', 'b'.repeat(513)), fileOf('empty', '')];
  const tar = await tarOf(files);
  expect(tar.length).toBe(tarSize(files));
  const entries = await readTar(memoryFile(tar));
  expect(entries.map(({ name, size }) => [name, size])).toEqual([
    ['oci-layout', 1],
    ['blobs/sha256/x', 513],
    ['empty', 0],
  ]);
  expect(tar.toString('latin1', entries[1]?.offset, (entries[1]?.offset ?? 0) + 513)).toBe('b'.repeat(513));
});

test.skipIf(onPath('tar') === undefined)('the system’s tar lists it as files of nobody at no time', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'tar-')), 'x.tar');
  writeFileSync(path, await tarOf([fileOf('blobs/sha256/x', 'hello')]));
  const listed = execFileSync('tar', ['tvf', path, '--utc', '--numeric-owner'], { encoding: 'utf8' });
  expect(listed).toMatch(/^-rw-r--r-- 0\/0 +5 1970-01-01 00:00 blobs\/sha256\/x\n$/);
});

test('a size beyond 8 GiB stands in a pax record', async () => {
  const size = 8 * 1024 ** 3 + 1;
  const written = writeTar([{ name: 'big', size, bytes: () => [] }]);
  const head = Buffer.concat(
    [(await written.next()).value, (await written.next()).value, (await written.next()).value].map(
      (part) => part ?? Buffer.of(),
    ),
  );
  const sparse: RandomAccess = {
    ...memoryFile(head),
    size: tarSize([{ size }]),
    read: async (buffer, position) => {
      buffer.fill(0);
      if (position < head.length) head.copy(buffer, 0, position, position + buffer.length);
      return buffer.length;
    },
  };
  expect(await readTar(sparse)).toEqual([{ name: 'big', offset: 3 * 512, size }]);
});

test('row 51: bytes between files are refused', async () => {
  const tar = await tarOf([fileOf('oci-layout', 'a')]);
  tar[512 + 100] = 1;
  expect(await failure(tar)).toBe('bad-bundle: test.tar is not a valid bundle: there are bytes between its files.');
});

test('fewer or more bytes than announced are not written', async () => {
  await expect(tarOf([{ name: 'x', size: 2, bytes: () => [Buffer.from('a')] }])).rejects.toThrow(RangeError);
  await expect(tarOf([{ name: 'x', size: 2, bytes: () => [Buffer.from('abc')] }])).rejects.toThrow(RangeError);
});

const good = await tarOf([fileOf('index.json', '{}'), fileOf('other', 'x')]);
const named = (name: string) => edited(good, (header) => header.fill(0, 0, 100).write(name, 0, 'latin1'));

test.each([
  ['a name that climbs', named('../x'), /not a valid file name/],
  ['a name from the root', named('/etc/passwd'), /not a valid file name/],
  ['a name with a backslash', named('a\\b'), /not a valid file name/],
  ['a name twice', named('other'), /twice/],
  ['a symbolic link', edited(good, (header) => header.write('2', 156)), /not a plain file/],
  ['a hard link', edited(good, (header) => header.write('1', 156)), /not a plain file/],
  ['a device', edited(good, (header) => header.write('3', 156)), /not a plain file/],
  ['GNU’s long name', edited(good, (header) => header.write('L', 156)), /not a plain file/],
  ['a global header', edited(good, (header) => header.write('g', 156)), /not a plain file/],
  ['a negative size', edited(good, (header) => header.write('-0000000001', 124)), /it contains an invalid number/],
  ['a binary size', edited(good, (header) => header.writeUInt32BE(0x80000000, 124)), /it contains an invalid number/],
  ['a wrong checksum', Buffer.from(good).fill(0x41, 0, 1), /damaged/],
  ['something behind its end', Buffer.concat([good, Buffer.alloc(512, 1)]), /follows its end/],
  ['a second tar behind it', Buffer.concat([good, good]), /follows its end/],
  ['no tar at all', Buffer.from('x'.repeat(2048)), /is not a bundle: it is not a tar file/],
  ['a short text', Buffer.from('hello\n'), /is not a bundle: it is not a tar file/],
  ['an empty file', Buffer.alloc(0), /is not a bundle: it is not a tar file/],
])('a tar with %s is refused', async (_, tar, message) => {
  const said = await failure(tar);
  expect(said).toMatch(/^bad-bundle: /);
  expect(said).toMatch(message);
});

test.each([0, 100, 512, 513, 1024, 2048, good.length - 1, good.length - 512])(
  'a tar cut after %i bytes is refused',
  async (length) => {
    expect(await failure(good.subarray(0, length))).toMatch(/^(truncated-file|bad-bundle): /);
  },
);

test('a file longer than the tar is refused', async () => {
  expect(await failure(edited(good, (header) => header.write('00000777777', 124)))).toMatch(/^truncated-file: /);
});

test.each([
  ['path', '18 path=../../evil\n'],
  ['size', '26 size=9007199254740993\n\n'.slice(0, 26)],
  ['size', '13 size=-100\n'],
  ['GNU.sparse.major', '22 GNU.sparse.major=1\n'],
  ['', '99 size=1\n'],
])('an extended header with %s is refused: %j', async (_, record) => {
  const tar = await tarOf([fileOf('pax', record), fileOf('other', 'x')]);
  expect(await failure(edited(tar, (header) => header.write('x', 156)))).toMatch(/^bad-bundle: /);
});

test('no change of a byte makes the reader hang, crash or leave the file', async () => {
  const tar = await tarOf([fileOf('oci-layout', 'x'), fileOf('index.json', 'y'.repeat(600))]);
  const change = fc.record({ at: fc.nat(tar.length - 1), to: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
      let mutant: Buffer = Buffer.from(tar);
      for (const { at, to } of changes) mutant[at] = to;
      if (changes.length % 2 === 0) mutant = edited(mutant, () => {});
      const entries = await readTar(memoryFile(mutant)).catch((error: { code: string }) => {
        expect(error.code).toMatch(/^(bad-bundle|truncated-file)$/);
        return [];
      });
      for (const { offset, size } of entries) expect(offset + size).toBeLessThanOrEqual(mutant.length);
    }),
    { numRuns: 500 },
  );
});
