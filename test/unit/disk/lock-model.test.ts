/** The lock in every order of steps that fast-check thinks of, with processes that die at any of them. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Disk, realDisk } from '../../../src/disk/disk.ts';
import { createFileLocker } from '../../../src/disk/locker.ts';
import { intercepted, memoryDisk } from '../../helpers/disk.ts';

/** A folder that processes share; each step of each is one that the scheduler orders. */
class World {
  readonly disk = memoryDisk();
  readonly dead = new Set<number>();
  readonly inside = new Set<number>();
  readonly scheduler: fc.Scheduler;
  most = 0;
  entered = 0;

  constructor(scheduler: fc.Scheduler) {
    this.scheduler = scheduler;
  }

  enter(pid: number): void {
    this.inside.add(pid);
    this.entered += 1;
    this.most = Math.max(this.most, this.inside.size);
  }

  die(pid: number): void {
    this.dead.add(pid);
    this.inside.delete(pid);
  }
}

/** The disk as one process sees it; the process dies before its `lifetime`-th step. */
function diskOf(world: World, pid: number, lifetime: number): Disk {
  let steps = 0;
  return intercepted(world.disk, async (call) => {
    await world.scheduler.schedule(Promise.resolve(), `${pid} ${call}`);
    steps += 1;
    if (steps >= lifetime) world.die(pid);
    if (world.dead.has(pid)) await new Promise<never>(() => undefined);
  });
}

/** Takes the lock twice, as a process of its own. */
async function live(world: World, pid: number, lifetime: number): Promise<void> {
  const { scheduler } = world;
  const locker = createFileLocker({
    dir: '/locks',
    command: `process ${pid}`,
    waitMs: Number.POSITIVE_INFINITY,
    disk: diskOf(world, pid, lifetime),
    time: {
      now: () => 0,
      pause: async () => void (await scheduler.schedule(Promise.resolve(), `${pid} pause`)),
      every: () => () => undefined,
    },
    processes: {
      self: () => Promise.resolve({ pid, place: 'here' }),
      livenessOf: async (other) => (world.dead.has(other.pid) ? 'dead' : 'alive'),
    },
  });
  for (let round = 0; round < 2; round += 1) {
    const held = await locker.acquire('state', new AbortController().signal);
    world.enter(pid);
    await scheduler.schedule(Promise.resolve(), `${pid} works`);
    world.inside.delete(pid);
    await held.release();
  }
}

const lifetimes = fc.array(fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 2, max: 40 })), {
  minLength: 2,
  maxLength: 5,
});

describe('the lock, in any order of steps and deaths', () => {
  test('row 27: never has two holders, and all who live get it', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), lifetimes, async (scheduler, lives) => {
        const world = new World(scheduler);
        const runs = lives.map((lifetime, index) => live(world, index + 1, lifetime));
        const immortal = runs.filter((_, index) => lives[index] === Number.POSITIVE_INFINITY);
        await scheduler.waitFor(Promise.all(immortal));
        expect(world.most).toBeLessThanOrEqual(1);
        expect(world.entered).toBeGreaterThanOrEqual(immortal.length * 2);
      }),
      { numRuns: 2000 },
    );
  });

  test('row 27: leaves one file, that nobody holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 5 }), async (scheduler, count) => {
        const world = new World(scheduler);
        const runs = Array.from({ length: count }, (_, index) => live(world, index + 1, Number.POSITIVE_INFINITY));
        await scheduler.waitFor(Promise.all(runs));
        expect([...world.disk.texts.values()].map((text) => text.startsWith('released'))).toEqual([true]);
      }),
      { numRuns: 100 },
    );
  });
});

describe('one that slept between looking and taking', () => {
  const NEVER = new AbortController().signal;

  async function sleepsWhileOthersTake(withLinks: boolean) {
    const dir = await mkdtemp(join(tmpdir(), 'lock-sleep-'));
    const others = createFileLocker({ dir, command: 'others' });
    await (await others.acquire('state', NEVER)).release();
    const held: { release(): Promise<void> }[] = [];
    const disk: Disk = {
      ...realDisk,
      async link(from, to) {
        if (held.length === 0) {
          // Two more numbers are taken: its own, which is removed then, and a higher one.
          await (await others.acquire('state', NEVER)).release();
          held.push(await others.acquire('state', NEVER));
        }
        if (!withLinks) throw Object.assign(new Error('no links here'), { code: 'EPERM' });
        await realDisk.link(from, to);
      },
    };
    const late = createFileLocker({ dir, command: 'late', waitMs: 0, disk });
    return { dir, late, held };
  }

  test.each([true, false])('gives way to whoever holds the lock by then (hard links: %s)', async (withLinks) => {
    const { dir, late, held } = await sleepsWhileOthersTake(withLinks);
    await expect(late.acquire('state', NEVER)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('held by others'),
    });
    const names = await readdir(dir);
    expect(names).toHaveLength(1);
    expect(await readFile(join(dir, names[0] ?? ''), 'utf8')).toContain('"command":"others"');
    await held[0]?.release();
    await (await late.acquire('state', NEVER)).release();
    await rm(dir, { recursive: true });
  });

  test('whose link was made, but whose answer got lost, holds the lock', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'lock-lost-'));
    const disk: Disk = {
      ...realDisk,
      async link(from, to) {
        await realDisk.link(from, to);
        await realDisk.link(from, to);
      },
    };
    const held = await createFileLocker({ dir, command: 'asks twice', waitMs: 0, disk }).acquire('state', NEVER);
    const other = createFileLocker({ dir, command: 'other', waitMs: 0 });
    await expect(other.acquire('state', NEVER)).rejects.toMatchObject({ code: 'busy' });
    await held.release();
    await (await other.acquire('state', NEVER)).release();
    await rm(dir, { recursive: true });
  });
});
