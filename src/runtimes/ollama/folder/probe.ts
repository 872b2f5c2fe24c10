import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Digest } from '../../../core/digest.ts';
import { errnoOf, messageOf } from '../../../core/errors.ts';
import { type Disk, type FileFacts, SHARE_BYTES } from '../../../disk/disk.ts';
import { findForeign } from '../../../disk/foreign.ts';
import { hasBlob } from '../blobs.ts';
import type { Connection } from '../client.ts';
import { blobFile, type ModelsFolder, temporaryIn } from './files.ts';

/** A models folder that is the server's own, as the server itself showed. */
export interface ProvenFolder {
  /** The folder as it was given. */
  readonly path: string;
  /** Where the blobs lie, without symbolic links. */
  readonly blobs: string;
  /** With the rights of the folder's owner, where this process is root and the owner is not. */
  readonly disk: Disk;
  /** Where our own files are read. */
  readonly ours: Disk;
  /** This process is root, and the folder belongs to another user. */
  readonly foreign: boolean;
  readonly device: bigint;
  /** Who the blobs belong to, taken for the server's user. */
  readonly uid: number;
  readonly gid: number;
  /** Permissions of new blobs, as those that are there have them. */
  readonly mode: number;
  /** This process's user; undefined on Windows. */
  readonly self: number | undefined;
  /** The file system can share bytes between two files of this folder. */
  readonly reflinks: boolean;
}

/** Why the folder is not used, as the rest of a sentence that begins with its path. */
export interface RefusedFolder {
  readonly refused: string;
}

const PROBE_BYTES = 64;
const NEW_BLOB_MODE = 0o644;
const WORLD_WRITABLE = 0o002n;
const LOOKED_AT = 16;

/**
 * Shows whether a folder is the server's own: a small random blob is written into it, and the server is asked for it.
 * A server that also says yes before the blob is there says yes to everything, and proves nothing. The blob is always
 * removed again. Refuses a folder that other users may write to or whose files could not be given to the server's user.
 * Throws only what asking the server throws.
 */
export async function proveFolder(
  connection: Connection,
  folder: ModelsFolder,
  signal: AbortSignal,
): Promise<ProvenFolder | RefusedFolder> {
  if (!connection.host.loopback) return { refused: 'cannot belong to a server on another host' };
  const looked = await lookAt(folder);
  if ('refused' in looked) return looked;
  const bytes = randomBytes(PROBE_BYTES);
  const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (await hasBlob(connection, digest, signal))
    return { refused: 'cannot be verified: the server claims to have every blob' };
  const path = blobFile(looked.blobs, digest);
  try {
    const failed = await writeProbe(looked, path, bytes);
    if (failed !== undefined) return { refused: `cannot be written to: ${failed}` };
    if (!(await hasBlob(connection, digest, signal))) return { refused: 'is not where the server keeps its models' };
    return { ...looked, reflinks: await clones(looked, path) };
  } finally {
    await looked.disk.rm(path, { force: true }).catch(() => undefined);
  }
}

type Looked = Omit<ProvenFolder, 'reflinks'>;

async function lookAt(folder: ModelsFolder): Promise<Looked | RefusedFolder> {
  const { path, disk: ours, uid: self } = folder;
  try {
    const found = await rightsFor(folder);
    if ('refused' in found) return found;
    const { disk, foreign } = found;
    const blobs = await disk.realpath(join(path, 'blobs'));
    const facts = await disk.stat(blobs, { bigint: true });
    if (!facts.isDirectory()) return { refused: 'has no blobs folder' };
    if (self !== undefined && (facts.mode & WORLD_WRITABLE) !== 0n) return { refused: 'is writable by every user' };
    const uid = Number(facts.uid);
    // Servers since 0.21 set the times of a blob that they use, which only its owner and root may.
    if (self !== undefined && self !== 0 && self !== uid) {
      return { refused: `belongs to the user with id ${uid}, and files written there would not` };
    }
    const mode = await modeIn(disk, blobs);
    return { path, blobs, disk, ours, foreign, device: facts.dev, uid, gid: Number(facts.gid), mode, self };
  } catch (thrown) {
    const absent = errnoOf(thrown) === 'ENOENT';
    return { refused: absent ? 'does not exist' : `cannot be inspected: ${errnoOf(thrown) ?? messageOf(thrown)}` };
  }
}

/**
 * With whose rights the folder is used. Its owner can put a link in the place of any folder in it between a check and what
 * follows, so root never follows a path there itself: it works with the rights of the server's user, and only in a
 * folder of that user.
 */
async function rightsFor({
  path,
  disk,
  uid,
  serverUid,
  asOwner,
}: ModelsFolder): Promise<{ readonly disk: Disk; readonly foreign: boolean } | RefusedFolder> {
  if (uid !== 0) return { disk, foreign: false };
  const blobs = join(path, 'blobs');
  const { uid: ownerUid, gid } = await disk.stat(blobs, { bigint: true });
  if (ownerUid === 0n) {
    const stranger = (await findForeign(blobs, disk)) ?? (await findForeign(join(path, 'manifests'), disk));
    if (stranger === undefined) return { disk, foreign: false };
    return { refused: `is not used by root: ${stranger.path} belongs to the user with id ${stranger.uid}` };
  }
  if (asOwner === undefined || serverUid !== Number(ownerUid))
    return { refused: `is not used by root: it belongs to the user with id ${ownerUid}, who may not be the server's` };
  return { disk: asOwner({ uid: Number(ownerUid), gid: Number(gid) }), foreign: true };
}

/** As the server's own blobs; a new folder has none yet. */
async function modeIn(disk: Disk, blobs: string): Promise<number> {
  const names = (await disk.readdir(blobs)).filter((name) => /^sha256-[0-9a-f]{64}$/.test(name));
  const seen: FileFacts[] = [];
  for (const name of names.slice(0, LOOKED_AT)) {
    const facts = await disk.lstat(join(blobs, name), { bigint: true }).catch(() => undefined);
    // A blob of 0444 is a hard link of ours.
    if (facts?.isFile() && (facts.mode & 0o200n) !== 0n) seen.push(facts);
  }
  const [first] = seen;
  return first === undefined ? NEW_BLOB_MODE : Number(first.mode & 0o666n);
}

/** Returns why not. */
async function writeProbe(folder: Looked, path: string, bytes: Uint8Array): Promise<string | undefined> {
  try {
    const handle = await folder.disk.open(path, 'wx', folder.mode);
    try {
      await handle.write(bytes, 0, bytes.length);
      await giveToServer(handle, folder);
    } finally {
      await handle.close();
    }
    return undefined;
  } catch (thrown) {
    return errnoOf(thrown) ?? messageOf(thrown);
  }
}

/** Owner and permissions of the server's other blobs; only root can give files away, and only root needs to. */
export async function giveToServer(
  handle: { chown(uid: number, gid: number): Promise<void>; chmod(mode: number): Promise<void> },
  { self, uid, gid, mode }: Pick<ProvenFolder, 'self' | 'uid' | 'gid' | 'mode'>,
): Promise<void> {
  if (self === 0 && uid !== 0) await handle.chown(uid, gid);
  if (self !== undefined) await handle.chmod(mode);
}

async function clones({ disk, blobs }: Looked, path: string): Promise<boolean> {
  const clone = temporaryIn(blobs);
  try {
    await disk.copyFile(path, clone, SHARE_BYTES);
    return true;
  } catch {
    return false;
  } finally {
    await disk.rm(clone, { force: true }).catch(() => undefined);
  }
}
