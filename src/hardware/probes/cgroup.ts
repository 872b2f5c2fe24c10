import type { ProbeContext } from '../probe-context.ts';
import { readOptional } from '../probe-context.ts';

/** The tightest memory limits of the cgroups that this process is in. Bytes. */
export interface CgroupMemory {
  readonly version: 1 | 2;
  readonly limit: number;
  readonly limitSource: string;
  /** The smallest `limit - used` on the way up; page cache that can be dropped counts as unused. */
  readonly headroom: number;
  readonly headroomSource: string;
}

interface Level {
  readonly folder: string;
  readonly limit: number;
  readonly headroom: number;
}

interface Hierarchy {
  readonly version: 1 | 2;
  /** Where the hierarchy is mounted. */
  readonly mount: string;
  /** Our cgroup below the mount, `/` for the mount itself. */
  readonly path: string;
}

/**
 * Reads every level from our own cgroup up to the mount, because any of them may hold the tightest limit. Limits
 * as large as v1's "none" (2^63 less a page) are left to the caller, who knows the size of RAM. Undefined when
 * there is no memory controller or no level has a limit.
 */
export async function probeCgroup(context: ProbeContext): Promise<CgroupMemory | undefined> {
  const [membership, mounts] = await Promise.all([
    readOptional(context, '/proc/self/cgroup'),
    readOptional(context, '/proc/self/mountinfo'),
  ]);
  const hierarchy = findHierarchy(membership ?? '', mounts ?? '');
  if (hierarchy === undefined) return undefined;
  const read = hierarchy.version === 2 ? readLevelV2 : readLevelV1;
  const levels = await Promise.all(foldersUp(hierarchy).map((folder) => read(context, folder)));
  const limited = levels.filter((level) => level !== undefined);
  const tightest = smallest(limited, ({ limit }) => limit);
  const fullest = smallest(limited, ({ headroom }) => headroom);
  if (tightest === undefined || fullest === undefined) return undefined;
  const name = `cgroup v${hierarchy.version}`;
  return {
    version: hierarchy.version,
    limit: tightest.limit,
    limitSource: `${name} limit of ${tightest.folder}`,
    headroom: fullest.headroom,
    headroomSource: `${name} limit minus usage (without inactive page cache) of ${fullest.folder}`,
  };
}

/** A v1 memory controller wins over v2: on hybrid hosts v2 is mounted, but holds no memory controller. */
function findHierarchy(membership: string, mountinfo: string): Hierarchy | undefined {
  const own = membership.split('\n').flatMap((line) => {
    const [, id, controllers, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    return id === undefined || path === undefined ? [] : [{ id, controllers: (controllers ?? '').split(','), path }];
  });
  const mounts = mountinfo.split('\n').flatMap(parseMount);
  const v1 = own.find(({ controllers }) => controllers.includes('memory'));
  if (v1 !== undefined) {
    const mount = mounts.find(({ type, options }) => type === 'cgroup' && options.includes('memory'));
    return locate(1, v1.path, mount ?? { root: '/', point: '/sys/fs/cgroup/memory' });
  }
  const v2 = own.find(({ id }) => id === '0');
  if (v2 === undefined) return undefined;
  const mount = mounts.find(({ type }) => type === 'cgroup2');
  return locate(2, v2.path, mount ?? { root: '/', point: '/sys/fs/cgroup' });
}

interface Mount {
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** One line of /proc/self/mountinfo: `31 23 0:28 /root /point rw,… shared:1 - type source options`. */
function parseMount(line: string): Mount[] {
  const [before, after] = line.split(' - ');
  const [, , , root, point] = (before ?? '').split(' ');
  const [type, , options] = (after ?? '').split(' ');
  if (root === undefined || point === undefined || type === undefined) return [];
  return [{ root, point, type, options: (options ?? '').split(',') }];
}

/**
 * In a container without a cgroup namespace the path is the host's (`/docker/<id>`) while only that part is
 * mounted: then the mount's root is the part to take off. A path outside the mount is read at the mount itself.
 */
function locate(version: 1 | 2, path: string, mount: { readonly root: string; readonly point: string }): Hierarchy {
  if (mount.root === '/') return { version, mount: mount.point, path: path.startsWith('/..') ? '/' : path };
  const inside = path === mount.root || path.startsWith(`${mount.root}/`);
  return { version, mount: mount.point, path: inside ? path.slice(mount.root.length) || '/' : '/' };
}

function foldersUp({ mount, path }: Hierarchy): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return [...parts.keys(), parts.length].map((count) => [mount, ...parts.slice(0, count)].join('/')).toReversed();
}

async function readLevelV2(context: ProbeContext, folder: string): Promise<Level | undefined> {
  const [max, high, current, stat] = await readAll(context, folder, [
    'memory.max',
    'memory.high',
    'memory.current',
    'memory.stat',
  ]);
  const limits = [max, high].map(size).filter((limit) => limit !== undefined);
  return levelOf(folder, limits, size(current), statField(stat, 'inactive_file'));
}

async function readLevelV1(context: ProbeContext, folder: string): Promise<Level | undefined> {
  const [limit, usage, stat] = await readAll(context, folder, [
    'memory.limit_in_bytes',
    'memory.usage_in_bytes',
    'memory.stat',
  ]);
  // The second holds the tightest limit of the ancestors, also of those outside our view.
  const limits = [size(limit), statField(stat, 'hierarchical_memory_limit')].filter((value) => value !== undefined);
  return levelOf(folder, limits, size(usage), statField(stat, 'total_inactive_file'));
}

function levelOf(
  folder: string,
  limits: readonly number[],
  used: number | undefined,
  droppable: number | undefined,
): Level | undefined {
  if (limits.length === 0) return undefined;
  const limit = Math.min(...limits);
  return { folder, limit, headroom: limit - Math.max(0, (used ?? 0) - (droppable ?? 0)) };
}

function readAll(context: ProbeContext, folder: string, names: readonly string[]): Promise<(string | undefined)[]> {
  return Promise.all(names.map((name) => readOptional(context, `${folder}/${name}`)));
}

/** A number of bytes; `max` and an absent file are not numbers. */
function size(text: string | undefined): number | undefined {
  const digits = text?.trim() ?? '';
  return /^\d+$/.test(digits) ? Number(digits) : undefined;
}

function statField(stat: string | undefined, field: string): number | undefined {
  return size(new RegExp(`^${field} (\\d+)$`, 'm').exec(stat ?? '')?.[1]);
}

function smallest<T>(items: readonly T[], by: (item: T) => number): T | undefined {
  return items.toSorted((a, b) => by(a) - by(b))[0];
}
