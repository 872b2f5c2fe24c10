import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Digest } from '../../../core/digest.ts';
import { MIB } from '../../../core/units.ts';
import type { OpenForReading } from '../../../disk/port.ts';
import { listenOnLoopback } from '../../../net/loopback.ts';
import type { LocalFile } from '../../../sources/contract.ts';
import { pulledName } from './names.ts';

/** What the registry has to give: a model's blob, and that of its projector where it has one. */
export interface Offer extends OfferedBlob {
  readonly architecture: string;
  readonly projector?: OfferedBlob;
}

export interface OfferedBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Absent where the server has the blob already: then it does not ask for it. */
  readonly content?: { readonly file: LocalFile; readonly open: OpenForReading };
}

/** A registry of one model on 127.0.0.1, for as long as one pull takes. */
export interface LoopbackRegistry {
  /** What the server is to pull. */
  readonly name: string;
  readonly asked: boolean;
  /** Bytes of the blob that the server took. */
  readonly sentBytes: number;
  close(): Promise<void>;
}

const MANIFEST_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';
const PIECE_BYTES = MIB;

/** Listens on a free port of 127.0.0.1. The name's random part keeps other users of this machine from the file. */
export async function startRegistry(offer: Offer | undefined): Promise<LoopbackRegistry> {
  const state = { asked: false, sentBytes: 0, path: '' };
  const documents = offer === undefined ? undefined : documentsOf(offer);
  const { port, close } = await listenOnLoopback((request, response) => {
    void answer(request, response, { offer, documents, state }).catch(() => response.destroy());
  });
  const name = pulledName(port, offer === undefined ? 'probe' : 'blob');
  state.path = `/v2/${name.slice(name.indexOf('/') + 1, name.lastIndexOf(':'))}/`;
  return {
    name,
    get asked() {
      return state.asked;
    },
    get sentBytes() {
      return state.sentBytes;
    },
    close,
  };
}

/** The config that a pull of this offer leaves with the server. */
export function configDigestOf(offer: Offer): Digest {
  return documentsOf(offer).configDigest;
}

interface Documents {
  readonly manifest: Buffer;
  readonly config: Buffer;
  readonly configDigest: Digest;
}

/**
 * The least that a server takes for a model: its files, and a config that names the format. What the file is, the server
 * reads out of it when a model is created from this one.
 */
function documentsOf({ digest, sizeBytes, architecture, projector }: Offer): Documents {
  const eyes = projector === undefined ? [] : [projector];
  const config = jsonOf({
    model_format: 'gguf',
    model_family: architecture,
    model_families: [architecture],
    model_type: '',
    file_type: '',
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [digest, ...eyes.map((each) => each.digest)] },
  });
  const configDigest: Digest = `sha256:${createHash('sha256').update(config).digest('hex')}`;
  const manifest = jsonOf({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      digest: configDigest,
      size: config.length,
    },
    layers: [
      { mediaType: 'application/vnd.ollama.image.model', digest, size: sizeBytes },
      ...eyes.map((each) => ({
        mediaType: 'application/vnd.ollama.image.projector',
        digest: each.digest,
        size: each.sizeBytes,
      })),
    ],
  });
  return { manifest, config, configDigest };
}

function jsonOf(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`, 'utf8');
}

interface Serving {
  readonly offer: Offer | undefined;
  readonly documents: Documents | undefined;
  readonly state: { asked: boolean; sentBytes: number; readonly path: string };
}

async function answer(request: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  const { offer, documents, state } = serving;
  request.resume();
  const url = request.url ?? '';
  if ((request.method !== 'GET' && request.method !== 'HEAD') || !url.startsWith(state.path)) return refuse(response);
  state.asked = true;
  if (documents === undefined || offer === undefined) return refuse(response);
  const rest = url.slice(state.path.length);
  if (rest === 'manifests/blob') return whole(request, response, documents.manifest, MANIFEST_TYPE);
  if (rest === `blobs/${documents.configDigest}`) return partOf(request, response, bytesOf(documents.config));
  const asked = [offer, offer.projector].find((each) => each !== undefined && rest === `blobs/${each.digest}`);
  const content = asked?.content;
  if (content === undefined) return refuse(response);
  await partOf(request, response, await fileOf(content.file, content.open), (bytes) => {
    state.sentBytes += bytes;
  });
}

function refuse(response: ServerResponse): void {
  response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
}

function whole(request: IncomingMessage, response: ServerResponse, bytes: Buffer, type: string): void {
  response.writeHead(200, { 'content-type': type, 'content-length': bytes.length });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

/** Bytes that can be read from anywhere. */
interface Readable {
  readonly size: number;
  read(into: Buffer, at: number): Promise<number>;
  close(): Promise<void>;
}

function bytesOf(bytes: Buffer): Readable {
  return {
    size: bytes.length,
    read: async (into, at) => bytes.copy(into, 0, at, at + into.length),
    close: async () => {},
  };
}

async function fileOf(file: LocalFile, open: OpenForReading): Promise<Readable> {
  const handle = await open(file.path);
  return {
    size: file.sizeBytes,
    read: async (into, at) => (await handle.read(into, 0, into.length, at)).bytesRead,
    close: () => handle.close(),
  };
}

/**
 * Answers a range, or all. Ollama asks for the whole first, only to learn where it is sent to: without a `location` it
 * gives up ("no Location header in response"), also where nothing is elsewhere.
 */
async function partOf(
  request: IncomingMessage,
  response: ServerResponse,
  source: Readable,
  sent: (bytes: number) => void = () => {},
): Promise<void> {
  try {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const from = Number(range?.[1] ?? 0);
    const last = Math.min(range?.[2] ? Number(range[2]) : Number.POSITIVE_INFINITY, source.size - 1);
    if (from > last) {
      response.writeHead(416, { 'content-range': `bytes */${source.size}` }).end();
      return;
    }
    response.writeHead(range === null ? 200 : 206, {
      'content-length': last - from + 1,
      'accept-ranges': 'bytes',
      location: request.url ?? '',
      ...(range !== null && { 'content-range': `bytes ${from}-${last}/${source.size}` }),
    });
    if (request.method === 'HEAD') response.end();
    // Of an answer without a range nobody reads on after its head.
    else await pump(source, response, from, last, range === null ? () => {} : sent);
  } finally {
    await source.close();
  }
}

/** Two buffers: one is read into while the other is on its way. Ends early when the server has gone. */
async function pump(
  source: Readable,
  response: ServerResponse,
  from: number,
  last: number,
  sent: (bytes: number) => void,
): Promise<void> {
  const buffers = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)];
  let writing: Promise<void> = Promise.resolve();
  let at = from;
  for (let turn = 0; at <= last && !response.destroyed; turn += 1) {
    const buffer = buffers[turn % 2]?.subarray(0, Math.min(PIECE_BYTES, last - at + 1)) ?? Buffer.alloc(0);
    const bytes = await source.read(buffer, at);
    if (bytes === 0) throw new Error('the file became shorter while it was read');
    await writing;
    writing = write(response, buffer.subarray(0, bytes)).then(() => sent(bytes));
    writing.catch(() => {});
    at += bytes;
  }
  await writing;
  response.end();
}

function write(response: ServerResponse, piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = () => reject(new Error('the connection closed'));
    response.once('close', closed);
    response.write(piece, (failure) => {
      response.off('close', closed);
      if (failure) reject(failure);
      else resolve();
    });
  });
}
