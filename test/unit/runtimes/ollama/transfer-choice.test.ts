import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../../src/core/errors.ts';
import type { TransferWay } from '../../../../src/runtimes/contract.ts';
import {
  chooseTransfer,
  possibleTransfers,
  type TransferFacts,
} from '../../../../src/runtimes/ollama/transfer/choose.ts';

const SIZE = 1_000_000;
const FOLDER = { sameVolume: true, reflinks: true };
const NO_FOLDER = { refused: "The server's models folder is not known." };
const NO_PULL = { refused: 'The server is on another host.' };

type Changes = Omit<Partial<TransferFacts>, 'file'> & { file?: Partial<TransferFacts['file']> };

/** A file of the user, at a server of 0.24 with everything open. */
function facts(changes: Changes = {}): TransferFacts {
  return {
    present: false,
    folder: FOLDER,
    rewrites: false,
    diskFactor: 1.02,
    pull: NO_PULL,
    ...changes,
    file: { at: 'here', sizeBytes: SIZE, immutable: false, ...changes.file },
  };
}

const NEW = { rewrites: true, diskFactor: 3, pull: true } as const;

describe('the methods that work, the cheapest first', () => {
  test.each<[string, TransferFacts, readonly TransferWay[]]>([
    ['a file of the user', facts(), ['reflink', 'copy', 'upload']],
    ['a file of our cache', facts({ file: { immutable: true } }), ['hard-link', 'reflink', 'copy', 'upload']],
    ['no clones', facts({ folder: { ...FOLDER, reflinks: false } }), ['copy', 'upload']],
    ['another volume', facts({ folder: { ...FOLDER, sameVolume: false } }), ['copy', 'upload']],
    [
      'another volume, cached',
      facts({ folder: { ...FOLDER, sameVolume: false }, file: { immutable: true } }),
      ['copy', 'upload'],
    ],
    [
      'a link that would not do',
      facts({ folder: { ...FOLDER, noLink: 'No.' }, file: { immutable: true } }),
      ['reflink', 'copy', 'upload'],
    ],
    ['no folder', facts({ folder: NO_FOLDER }), ['upload']],
    ['no folder, 0.30', facts({ folder: NO_FOLDER, ...NEW }), ['upload', 'loopback-pull']],
    ['no folder, 0.30 in a container', facts({ folder: NO_FOLDER, ...NEW, pull: NO_PULL }), ['upload']],
    ['a pull gains nothing before 0.30', facts({ folder: NO_FOLDER, pull: true }), ['upload']],
    ['a remote file', facts({ file: { at: 'elsewhere' } }), ['stream']],
    ['there already', facts({ present: true, folder: NO_FOLDER }), ['present', 'upload']],
  ])('%s', (_, given, ways) => {
    expect(possibleTransfers(given).map(({ way }) => way)).toEqual(ways);
    expect(chooseTransfer(given, undefined).way).toBe(ways[0]);
  });
});

describe('the room that a way takes at the peak, in sizes of the file', () => {
  test.each<[string, TransferWay, Changes, number]>([
    ['there already', 'present', { present: true }, 0],
    ['there already, 0.30 that can pull', 'present', { present: true, ...NEW }, 0],
    ['there already, 0.30 that cannot', 'present', { present: true, ...NEW, pull: NO_PULL }, 2],
    ['a link', 'hard-link', {}, 0],
    ['a link, 0.30 that can pull', 'hard-link', NEW, 0],
    ['a link, 0.30 that cannot', 'hard-link', { ...NEW, pull: NO_PULL }, 2],
    ['sharing', 'reflink', {}, 0],
    ['a copy', 'copy', {}, 1.02],
    ['a copy, 0.30 that cannot pull', 'copy', { ...NEW, pull: NO_PULL }, 3.02],
    ['an upload', 'upload', {}, 1.02],
    ['an upload, 0.30 that can pull', 'upload', NEW, 1.02],
    ['an upload, 0.30 that cannot', 'upload', { ...NEW, pull: NO_PULL }, 3],
    ['a pull', 'loopback-pull', NEW, 1.02],
  ])('%s', (_, way, given, sizes) => {
    const plan = chooseTransfer(facts(given), way);
    expect(plan.way).toBe(way);
    expect(plan.peakBytes).toBe(Math.ceil(sizes * SIZE));
    expect(plan.why).not.toBe('');
  });

  test('a stream', () => {
    const given = { file: { at: 'elsewhere' as const } };
    expect(chooseTransfer(facts(given), 'stream').peakBytes).toBe(1.02 * SIZE);
    expect(chooseTransfer(facts({ ...given, ...NEW, pull: NO_PULL }), 'stream').peakBytes).toBe(3 * SIZE);
  });
});

describe('a method that is requested', () => {
  test('is taken although another is cheaper', () => {
    expect(chooseTransfer(facts(), 'upload')).toMatchObject({
      way: 'upload',
      why: expect.stringContaining('requested'),
    });
    expect(chooseTransfer(facts(), 'hard-link').way).toBe('hard-link');
    expect(chooseTransfer(facts({ pull: true }), 'loopback-pull').way).toBe('loopback-pull');
  });

  test('does not move what is there', () => {
    expect(chooseTransfer(facts({ present: true }), 'copy').way).toBe('present');
  });

  test.each<[TransferWay, Changes, string]>([
    ['hard-link', { folder: NO_FOLDER }, 'not known'],
    ['hard-link', { folder: { ...FOLDER, sameVolume: false } }, 'volume'],
    ['hard-link', { folder: { ...FOLDER, noLink: 'It is a symbolic link.' } }, 'symbolic link'],
    ['reflink', { folder: { ...FOLDER, reflinks: false } }, 'cannot clone files'],
    ['loopback-pull', {}, 'another host'],
    ['present', {}, 'does not have these bytes'],
    ['stream', {}, 'on this machine'],
    ['upload', { file: { at: 'elsewhere' } }, 'not on this machine'],
  ])('and does not work: %s is refused with the reason', (way, given, reason) => {
    const thrown = expectThrown(() => chooseTransfer(facts(given), way));
    expect([thrown.code, thrown.exitCode]).toEqual(['bad-usage', 2]);
    expect(thrown.message).toContain(way);
    expect(thrown.message).toContain(reason);
    expect(thrown.suggestions.join(' ')).toContain('works here');
  });
});

function expectThrown(work: () => unknown): ProvisionError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof ProvisionError) return thrown;
    throw thrown;
  }
  return expect.fail('it succeeded');
}
