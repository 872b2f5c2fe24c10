import { ProvisionError } from '../../../core/errors.ts';
import type { TransferPlan, TransferWay } from '../../contract.ts';

/** All that decides how a file gets into a server. */
export interface TransferFacts {
  /** `elsewhere`: it is read from its source while it is sent. */
  readonly file: { readonly at: 'here' | 'elsewhere'; readonly sizeBytes: number; readonly immutable: boolean };
  /** The server has a blob of this digest. */
  readonly present: boolean;
  /** The server's own models folder, or why it cannot be used, as a whole sentence. */
  readonly folder: FolderFacts | { readonly refused: string };
  /** The create of this version writes the file anew. */
  readonly rewrites: boolean;
  /** Peak of a create from an upload, in sizes of the file. */
  readonly diskFactor: number;
  /** The server can pull from this process, or why not, as a whole sentence. */
  readonly pull: true | { readonly refused: string };
}

export interface FolderFacts {
  /** The file lies on the folder's volume. */
  readonly sameVolume: boolean;
  /** Why a hard link would not do, as a whole sentence. */
  readonly noLink?: string;
  readonly reflinks: boolean;
}

/** Of a create that does not rewrite: manifests, and what the file system adds. */
const OVERHEAD = 1.02;
/** Of a create that rewrites a blob which is there already: what the helper writes, and the new layer. */
const REWRITE_SIZES = 2;

/**
 * Every method that works, the cheapest first, all of them safe. Links and copies go without the server; where its create
 * rewrites files, the finished blob is handed to it by a pull of no bytes, so that nothing is rewritten.
 */
export function possibleTransfers(facts: TransferFacts): TransferPlan[] {
  return ORDER.flatMap((way) => {
    const refused = refusal(way, facts);
    return refused === undefined && isWise(way, facts) ? [planFor(way, facts)] : [];
  });
}

/** The owner of a file may edit it in place, under a hard link too. A pull gains nothing where no create rewrites. */
function isWise(way: TransferWay, { file, rewrites }: TransferFacts): boolean {
  if (way === 'hard-link') return file.immutable;
  return way !== 'loopback-pull' || rewrites;
}

/**
 * The method to use: the requested one, else the cheapest. A hard link to a file that its owner may edit is only made
 * when it is asked for by name. Throws `bad-usage` for a requested method that does not work here, with the reason.
 */
export function chooseTransfer(facts: TransferFacts, wanted: TransferWay | undefined): TransferPlan {
  const [cheapest] = possibleTransfers(facts);
  // What the server has already need not move at all.
  if (cheapest !== undefined && (wanted === undefined || facts.present)) return cheapest;
  const refused = wanted === undefined ? 'No method works.' : refusal(wanted, facts);
  if (wanted !== undefined && refused === undefined) return planFor(wanted, facts, 'requested');
  throw new ProvisionError('bad-usage', `The file cannot be transferred by ${wanted ?? 'any method'}: ${refused}`, {
    suggestions: cheapest === undefined ? [] : [`Leave the method open: ${cheapest.way} works here.`],
  });
}

/**
 * Cheapest first. Where the server can pull from us, an upload is not rewritten either, and is the faster of the two: the
 * server hashes it as it comes (1 GiB on 0.33.0-rc2: 0.18 of the time of `ollama create`, a pull of the bytes 0.37).
 */
const ORDER: readonly TransferWay[] = ['present', 'hard-link', 'reflink', 'copy', 'stream', 'upload', 'loopback-pull'];

/** Why a method does not work, as a whole sentence. */
function refusal(way: TransferWay, facts: TransferFacts): string | undefined {
  const { file, folder, pull } = facts;
  if (way === 'present') return facts.present ? undefined : 'The server does not have these bytes.';
  if (way === 'stream') return file.at === 'elsewhere' ? undefined : 'The file is on this machine.';
  if (file.at === 'elsewhere') return 'The file is not on this machine yet.';
  if (way === 'upload') return undefined;
  if (way === 'loopback-pull') return pull === true ? undefined : pull.refused;
  if ('refused' in folder) return folder.refused;
  if (way === 'copy') return undefined;
  if (!folder.sameVolume) return "The file is not on the volume of the server's models folder.";
  if (way === 'hard-link') return folder.noLink;
  return folder.reflinks ? undefined : 'The file system cannot clone files.';
}

function planFor(way: TransferWay, facts: TransferFacts, asked?: string): TransferPlan {
  const { text, sizes } = costOf(way, facts);
  const rewritten = facts.rewrites && facts.pull !== true && way !== 'upload' && way !== 'stream' ? REWRITE_SIZES : 0;
  const note = rewritten > 0 ? `; creating the model then rewrites the file` : '';
  return {
    way,
    why: `${asked === undefined ? '' : `${asked}: `}${text}${note}`,
    peakBytes: Math.ceil((sizes + rewritten) * facts.file.sizeBytes),
  };
}

function costOf(way: TransferWay, facts: TransferFacts): { text: string; sizes: number } {
  // What was uploaded need not be rewritten either where the server can be made to pull.
  const sent = facts.rewrites && facts.pull === true ? OVERHEAD : facts.diskFactor;
  switch (way) {
    case 'present':
      return { text: 'the server has these bytes', sizes: 0 };
    case 'hard-link':
      return {
        text: "the server's models folder is on the file's volume and accepts a hard link: nothing is copied",
        sizes: 0,
      };
    case 'reflink':
      return { text: "the file system clones the file into the server's models folder: nothing is copied", sizes: 0 };
    case 'copy':
      return { text: "the server's models folder is on this machine: one copy, without an upload", sizes: OVERHEAD };
    case 'loopback-pull':
      return { text: 'the server pulls from this process and keeps the file as it is', sizes: OVERHEAD };
    case 'stream':
      return {
        text: 'the bytes are streamed from their source to the server, without a copy on this machine',
        sizes: sent,
      };
    case 'upload':
      return { text: 'the bytes are uploaded to the server, which checks their digest', sizes: sent };
  }
}
