import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drive } from '../../../src/core/progress.ts';
import { realDisk } from '../../../src/disk/disk.ts';
import { type Locker, withLock, workUnderLock } from '../../../src/disk/lock.ts';
import { createFileLocker } from '../../../src/disk/locker.ts';
import { type Liveness, nodeProcesses } from '../../../src/disk/process-identity.ts';
import { never } from '../../helpers/failure.ts';

const child = join(import.meta.dirname, 'lock-child.ts');
let dir: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterEach(() => {
  for (const each of children.splice(0)) each.kill('SIGKILL');
});

function start(...args: string[]): ChildProcess {
  const started = fork(child, [dir, ...args], { execArgv: [] });
  children.push(started);
  return started;
}

/** Locks that somebody holds, or seems to. */
async function heldLocks(): Promise<string[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.lock'));
  const texts = await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')));
  return names.filter((_, index) => !texts[index]?.startsWith('released'));
}

async function inAnotherBoot(): Promise<Liveness> {
  const machine = await readFile('/etc/machine-id', 'utf8').catch(() => '');
  return machine.trim() !== '' && !hostname().startsWith('localhost') ? 'dead' : 'unknown';
}

function lockerWaiting(waitMs: number): Locker {
  return createFileLocker({ dir, command: 'install gemma', waitMs });
}

describe('two processes', () => {
  test('at once lose no update of each other', async () => {
    await writeFile(join(dir, 'counter'), '0');
    const running = [start('count', '6'), start('count', '6'), start('count', '6')];
    const codes = await Promise.all(running.map(async (each) => (await once(each, 'exit'))[0]));
    expect(codes).toEqual([0, 0, 0]);
    expect(await readFile(join(dir, 'counter'), 'utf8')).toBe('18');
    expect(await heldLocks()).toEqual([]);
  });

  test('the one that comes too late is told who holds the lock', async () => {
    const holder = start('hold');
    await once(holder, 'message');
    await expect(withLock(lockerWaiting(200), 'state', never, () => Promise.resolve())).rejects.toMatchObject({
      code: 'busy',
      exitCode: 15,
      message: expect.stringMatching(new RegExp(`child hold \\(process ${holder.pid}, since \\d{4}-`)),
    });
  });

  test('row 27: the lock of a killed holder is taken over at once, by one at a time', async () => {
    const holder = start('hold');
    await once(holder, 'message');
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await writeFile(join(dir, 'counter'), '0');
    const running = [start('count', '2'), start('count', '2'), start('count', '2')];
    await Promise.all(running.map((each) => once(each, 'exit')));
    expect(await readFile(join(dir, 'counter'), 'utf8')).toBe('6');
    expect(await heldLocks()).toEqual([]);
  });

  test('row 27: a holder that lives is never robbed, also when it stands still and all files look old', async () => {
    const holder = start('hold');
    await once(holder, 'message');
    holder.kill('SIGSTOP');
    for (const name of await readdir(dir)) await utimes(join(dir, name), 1, 1);
    const locker = createFileLocker({ dir, command: 'other', waitMs: 600, silenceMs: 0 });
    await expect(locker.acquire('state', never)).rejects.toMatchObject({ code: 'busy', exitCode: 15 });
    holder.kill('SIGCONT');
    expect(await heldLocks()).toHaveLength(1);
  });
});

describe('who is dead', () => {
  const holder = { pid: 4711, startedAt: '100', bootId: 'boot', place: 'here' };
  const stillThere = { self: () => Promise.resolve(holder), livenessOf: () => Promise.resolve('alive' as const) };
  const as = (liveness: Liveness, waitMs = 200, silenceMs?: number) =>
    createFileLocker({
      dir,
      command: 'other',
      waitMs,
      ...(silenceMs !== undefined && { silenceMs }),
      processes: {
        self: () => Promise.resolve({ pid: 1, place: 'there' }),
        livenessOf: () => Promise.resolve(liveness),
      },
    });
  const left = () => createFileLocker({ dir, command: 'left', processes: stillThere }).acquire('state', never);

  test('is told by the process, not by times', async () => {
    const held = await left();
    await expect(as('alive', 200, 0).acquire('state', never)).rejects.toMatchObject({ code: 'busy' });
    const taken = await as('dead').acquire('state', never);
    await taken.release();
    await once(held.lost, 'abort');
    expect(held.lost.reason).toMatchObject({ code: 'busy', message: expect.stringContaining('lost') });
  });

  test('one that cannot be seen lives as long as it gives signs of life', async () => {
    const held = await left();
    await expect(as('unknown', 400).acquire('state', never)).rejects.toMatchObject({ code: 'busy' });
    const taken = await as('unknown', 5_000, 300).acquire('state', never);
    await held.release();
    expect(await heldLocks()).toHaveLength(1);
    await taken.release();
    expect(await heldLocks()).toEqual([]);
  });

  test('one that may be dead is waited for until that is decided, however short the patience', async () => {
    const held = await left();
    // No sign of life comes in 300 ms; the first one comes after 2 s.
    const taken = await as('unknown', 0, 300).acquire('state', never);
    await taken.release();
    await held.release();
  });

  test('a lock that names nobody is waited for, then taken', async () => {
    await (await left()).release();
    const [file = ''] = await readdir(dir);
    await writeFile(join(dir, file), '');
    const began = performance.now();
    await (await as('alive', 0, 300).acquire('state', never)).release();
    expect(performance.now() - began).toBeGreaterThanOrEqual(300);
  });

  test('this process, its number in another start, its number in another boot, a number that is free', async () => {
    const processes = nodeProcesses();
    const self = await processes.self();
    const nowMs = Date.now();
    expect(await processes.livenessOf(self, nowMs)).toBe('alive');
    expect(await processes.livenessOf({ ...self, startedAt: '1' }, nowMs)).toBe('dead');
    // Without a number of its own a machine cannot tell an earlier boot of itself from another machine.
    const beforeThisBoot = nowMs - uptime() * 1000 - 120_000;
    expect(await processes.livenessOf({ ...self, bootId: 'another' }, beforeThisBoot)).toBe(await inAnotherBoot());
    expect(await processes.livenessOf({ ...self, place: 'elsewhere' }, nowMs)).toBe('unknown');
    const gone = start('hold');
    gone.kill('SIGKILL');
    await once(gone, 'exit');
    expect(await processes.livenessOf({ ...self, pid: gone.pid ?? 0 }, nowMs)).toBe('dead');
  });

  test('row 27: a clone of this machine with the same name and machine id, which runs since another boot, may live', async () => {
    const processes = nodeProcesses();
    const self = await processes.self();
    expect(await processes.livenessOf({ ...self, bootId: 'another' }, Date.now() - 500)).toBe('unknown');
    const clone = { ...self, bootId: 'another' };
    const held = await createFileLocker({
      dir,
      command: 'clone',
      processes: { self: async () => clone, livenessOf: async () => 'alive' },
    }).acquire('state', never);
    await expect(lockerWaiting(2_500).acquire('state', never)).rejects.toMatchObject({ code: 'busy' });
    await held.release();
  });
});

describe('row 42: what a lock contains', () => {
  test('nothing of the run that held it, once it is released', async () => {
    const held = await lockerWaiting(0).acquire('state', never);
    const [file = ''] = await heldLocks();
    expect(await readFile(join(dir, file), 'utf8')).toContain('"command":"install gemma"');
    await held.release();
    expect(await readFile(join(dir, file), 'utf8')).toBe('released\n');
  });

  test('a living lock of an earlier version is shown without the arguments in it', async () => {
    const self = await nodeProcesses().self();
    const command = 'bundle install good.gguf alice:Sup3rSecretPw@127.0.0.1:24100 sec';
    const old = { ...self, command, since: new Date().toISOString(), token: 'x' };
    await (await lockerWaiting(0).acquire('state', never)).release();
    const [file = ''] = await readdir(dir);
    await writeFile(join(dir, file), JSON.stringify(old));
    await expect(lockerWaiting(0).acquire('state', never)).rejects.toMatchObject({
      message: expect.stringMatching(/^The lock is held by bundle install \(process/),
    });
  });

  test('is read by its owner only, whatever the umask', async () => {
    const before = process.umask(0o000);
    try {
      await (await createFileLocker({ dir: join(dir, 'locks'), command: 'install' }).acquire('state', never)).release();
    } finally {
      process.umask(before);
    }
    const [file = ''] = await readdir(join(dir, 'locks'));
    expect((await stat(join(dir, 'locks'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(dir, 'locks', file))).mode & 0o777).toBe(0o600);
  });
});

describe('row 27: a file with a number that is too large', () => {
  test.each(['9007199254740992', '99999999999999999999999', '999999999999999'])(
    '%s: the waiting ends',
    async (number) => {
      await (await lockerWaiting(0).acquire('state', never)).release();
      const [file = ''] = await readdir(dir);
      await writeFile(join(dir, file.replace('1.lock', `${number}.lock`)), 'released\n');
      const acquired = lockerWaiting(200).acquire('state', never);
      if (number.length > 15) await (await acquired).release();
      else await expect(acquired).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining('number') });
    },
  );

  test('a folder in which another is always faster', async () => {
    const disk = { ...realDisk, link: () => Promise.reject(Object.assign(new Error('there'), { code: 'EEXIST' })) };
    const unlucky = createFileLocker({ dir, command: 'install', waitMs: 100, disk });
    await expect(unlucky.acquire('state', never)).rejects.toMatchObject({ code: 'busy' });
  });
});

describe('one process', () => {
  test('is exclusive within itself, and free again afterwards', async () => {
    const locker = lockerWaiting(5_000);
    const order: string[] = [];
    const task = (id: string) => () =>
      withLock(locker, 'state', never, async () => {
        order.push(`${id} in`);
        await new Promise((done) => setTimeout(done, 20));
        order.push(`${id} out`);
      });
    await Promise.all([task('a')(), task('b')()]);
    expect(order).toEqual(
      order[0] === 'a in' ? ['a in', 'a out', 'b in', 'b out'] : ['b in', 'b out', 'a in', 'a out'],
    );
  });

  test('waiters that meet the lock of a dead run take it over one at a time', async () => {
    const gone = { pid: 4_194_304, place: (await nodeProcesses().self()).place };
    const dead = createFileLocker({
      dir,
      command: 'dead',
      processes: {
        self: async () => ({ ...(await nodeProcesses().self()), ...gone }),
        livenessOf: () => Promise.resolve('alive'),
      },
    });
    const left = await dead.acquire('state', never);
    let inside = 0;
    let most = 0;
    const task = () =>
      withLock(lockerWaiting(50_000), 'state', never, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await sleep(40);
        inside -= 1;
      });
    await Promise.all(Array.from({ length: 6 }, task));
    expect(most).toBe(1);
    await left.release();
    expect(await heldLocks()).toEqual([]);
  });

  test('locks of different names do not meet', async () => {
    const locker = lockerWaiting(200);
    await withLock(locker, 'a', never, () => withLock(locker, 'b', never, () => Promise.resolve()));
    await expect(
      withLock(locker, 'a', never, () => withLock(locker, 'a', never, () => Promise.resolve())),
    ).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining('install gemma') });
  });

  test('a failing task gives the lock back', async () => {
    const locker = lockerWaiting(200);
    const failure = new Error('no');
    await expect(withLock(locker, 'state', never, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(await withLock(locker, 'state', never, () => Promise.resolve('again'))).toBe('again');
  });

  test('an abort ends the waiting with its reason', async () => {
    const locker = lockerWaiting(60_000);
    const controller = new AbortController();
    const reason = new Error('stopped by the user');
    await withLock(locker, 'state', never, async () => {
      const waiting = withLock(locker, 'state', controller.signal, () => Promise.resolve());
      controller.abort(reason);
      await expect(waiting).rejects.toBe(reason);
    });
  });

  test('long work gives the lock back when it ends and when it is left early', async () => {
    const locker = lockerWaiting(200);
    const work = () =>
      workUnderLock(locker, 'state', never, async function* () {
        yield { type: 'warning', message: 'at work' };
        return 7;
      });
    const events: string[] = [];
    expect(await drive(work(), (event) => events.push(event.type))).toBe(7);
    expect(events).toEqual(['warning']);
    const left = work();
    await left.next();
    await left.return(0);
    expect(await drive(work(), () => undefined)).toBe(7);
  });

  test('a folder that cannot be made is an error that says so', async () => {
    await writeFile(join(dir, 'file'), '');
    const locker = createFileLocker({ dir: join(dir, 'file', 'locks'), command: 'x' });
    await expect(locker.acquire('state', never)).rejects.toMatchObject({ code: 'bad-path', exitCode: 2 });
  });
});
