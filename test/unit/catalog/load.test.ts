import { describe, expect, test } from 'vitest';
import { type Catalog, type CatalogPlaces, loadCatalog } from '../../../src/catalog/load.ts';
import { failureOf } from '../../helpers/failure.ts';
import { errno, json, memoryFiles, sampleFamily } from './helpers.ts';

const PLACES: CatalogPlaces = { builtin: '/pkg/catalog', user: '/home/catalog' };
const BASE = { '/pkg/catalog/sample.json': json(sampleFamily()) };

function ids(catalog: Catalog): string[] {
  return catalog.families.map(({ family }) => family.id);
}

describe('which files are read', () => {
  test('every .json directly in the folders, in the order of their names', async () => {
    const disk = memoryFiles({
      '/pkg/catalog/b.json': json(sampleFamily('beta', 'beta-1b')),
      '/pkg/catalog/a.json': json(sampleFamily('alpha', 'alpha-1b')),
      '/pkg/catalog/notes.txt': 'not json',
      '/pkg/catalog/.hidden.json': 'not json',
      '/pkg/catalog/deeper/c.json': 'not json',
      '/home/catalog/mine.json': json(sampleFamily('mine', 'mine-1b')),
    });
    expect(ids(await loadCatalog(disk, PLACES))).toEqual(['alpha', 'beta', 'mine']);
  });

  test('a user folder that does not exist is no error', async () => {
    expect(ids(await loadCatalog(memoryFiles(BASE), PLACES))).toEqual(['sample']);
  });

  test('a built-in folder that does not exist is one', async () => {
    const error = await failureOf(loadCatalog(memoryFiles({}), PLACES));
    expect(error.code).toBe('file-not-found');
    expect(error.message).toContain('/pkg/catalog');
  });

  test('a --catalog file that does not exist names its path', async () => {
    const error = await failureOf(loadCatalog(memoryFiles(BASE), { ...PLACES, extra: ['/tmp/none.json'] }));
    expect(error.code).toBe('file-not-found');
    expect(error.message).toContain('/tmp/none.json');
  });

  test('a file that may not be read is a file-access error with its cause', async () => {
    const files = { ...memoryFiles(BASE), readFile: () => Promise.reject(errno('EACCES')) };
    const error = await failureOf(loadCatalog(files, PLACES));
    expect(error.code).toBe('file-access');
    expect(error.cause).toBeInstanceOf(Error);
  });

  test('a file of gigabytes is refused before it is read', async () => {
    const disk = memoryFiles(BASE);
    const files = {
      ...disk,
      stat: async (path: string) => ({ ...(await disk.stat(path, { bigint: true })), size: 4n * 1024n ** 3n }),
      readFile: () => Promise.reject(new Error('was read')),
    };
    const error = await failureOf(loadCatalog(files, PLACES));
    expect(error.code).toBe('bad-catalog');
    expect(error.message).toContain('4.00 GiB');
  });
});

describe('origins', () => {
  test('each family knows the file that defined it and those laid over it', async () => {
    const disk = memoryFiles({
      ...BASE,
      '/home/catalog/mine.json': json({ schemaVersion: 1, id: 'sample', title: 'Mine' }),
      '/tmp/more.json': json({ schemaVersion: 1, id: 'sample', summary: 'More' }),
    });
    const catalog = await loadCatalog(disk, { ...PLACES, extra: ['/tmp/more.json'] });
    expect(catalog.families).toHaveLength(1);
    expect(catalog.families[0]?.family).toMatchObject({ title: 'Mine', summary: 'More', publisher: 'Acme' });
    expect(catalog.families[0]?.origins).toEqual([
      { path: '/pkg/catalog/sample.json', origin: 'builtin' },
      { path: '/home/catalog/mine.json', origin: 'user' },
      { path: '/tmp/more.json', origin: 'flag' },
    ]);
  });
});

describe('broken files', () => {
  test('the mistakes of all files are told at once, each under its path', async () => {
    const disk = memoryFiles({
      ...BASE,
      '/home/catalog/one.json': '{ "schemaVersion": 1,',
      '/home/catalog/two.json': json({ schemaVersion: 1, id: 'sample', titel: 'x', defaultProfile: 'crad' }),
    });
    const error = await failureOf(loadCatalog(disk, PLACES));
    expect(error.code).toBe('bad-catalog');
    expect(error.exitCode).toBe(16);
    expect(error.message).toContain('/home/catalog/one.json is not a valid catalog file');
    expect(error.message).toContain('is not JSON');
    expect(error.message).toContain('titel: unknown field, did you mean title?');
    expect(error.message).toContain('defaultProfile: there is no profile "crad", did you mean card?');
    expect(error.suggestions).toContain('Check the file with: gemma-provision catalog validate /home/catalog/two.json');
  });

  test('an overlay of a broken family is not blamed for being partial', async () => {
    const disk = memoryFiles({
      '/pkg/catalog/sample.json': json({ ...sampleFamily(), title: 7 }),
      '/home/catalog/mine.json': json({ schemaVersion: 1, id: 'sample', title: 'Mine' }),
    });
    const error = await failureOf(loadCatalog(disk, PLACES));
    expect(error.message).toContain('/pkg/catalog/sample.json');
    expect(error.message).not.toContain('/home/catalog/mine.json');
    expect(error.suggestions).toEqual(['The built-in catalog is damaged: install gemma-provision again.']);
  });

  test('a page of mistakes is cut with a count', async () => {
    const extra = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`zzzzzzzzzz${index}`, 1]));
    const disk = memoryFiles({ ...BASE, '/home/catalog/x.json': json({ schemaVersion: 1, id: 'sample', ...extra }) });
    const error = await failureOf(loadCatalog(disk, PLACES));
    expect(error.message.split('\n')).toHaveLength(52);
    expect(error.message).toContain('… and 30 more');
  });
});
