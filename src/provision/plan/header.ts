import { basename, dirname, join } from 'node:path';
import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import { realDisk, withFile } from '../../disk/disk.ts';
import { accessCode } from '../../disk/errors.ts';
import type { ByteSource } from '../../gguf/byte-source.ts';
import { fileSource } from '../../gguf/file-source.ts';
import { readGgufHeader } from '../../gguf/header.ts';
import { openRemoteFile, type RemoteOptions } from '../../gguf/http-source.ts';
import { quantOfName, quantWarning } from '../../gguf/quant-claim.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import { readSplitHeader, splitNames } from '../../gguf/split.ts';
import type { SourceFile } from './contract.ts';

/**
 * Reads a model's header from disk, and those of all its files where the path is that of one file of a split model.
 * Errors name the file.
 */
export async function readHeader(path: string, fileBytes: number): Promise<GgufFacts> {
  const names = splitNames(basename(path));
  const facts = names === undefined ? await readOne(path, fileBytes) : await readSplitFiles(dirname(path), names);
  return withNameChecked(facts, basename(path));
}

/** The header of what a reference names, wherever it is: of a file on a web server only its first bytes are fetched. */
export async function readSourceHeader(file: SourceFile, options: RemoteOptions): Promise<GgufFacts> {
  if (file.kind === 'remote') {
    const { url, headers } = file.access;
    return withNameChecked(await readRemoteHeader(url, { ...options, headers }), file.fileName);
  }
  const facts = await readHeader(file.path, file.sizeBytes);
  return file.fileName === undefined ? facts : withNameChecked(facts, file.fileName);
}

/** `readSourceHeader` for what is to be installed: servers take one file. Throws `bad-gguf` for a split model. */
export async function readInstallableHeader(file: SourceFile, options: RemoteOptions): Promise<GgufFacts> {
  const facts = await readSourceHeader(file, options);
  if (facts.parts === undefined) return facts;
  const [first] = facts.parts;
  const path = file.kind === 'file' ? join(dirname(file.path), first?.name ?? '') : (first?.name ?? '');
  throw new ProvisionError('bad-gguf', `${file.ref} is one of ${facts.parts.length} files of a split model`, {
    suggestions: [
      ...(file.kind === 'remote' ? ['Download all parts into one folder.'] : []),
      `Merge them into one file: llama-gguf-split --merge ${path} WHOLE.gguf`,
    ],
  });
}

export interface RemoteHeaderOptions extends RemoteOptions {
  /** Told of every request and byte when all is read. */
  readonly onTraffic?: (traffic: { readonly requests: number; readonly receivedBytes: number }) => void;
}

/**
 * Reads the header of a model on a web server, and those of all its files where the address ends like one file of a
 * split model. At most 8 MiB and three requests (redirects not counted) for a file with 262,144 tokens.
 */
export async function readRemoteHeader(address: string, options: RemoteHeaderOptions): Promise<GgufFacts> {
  const open = remoteOpener(options, options.onTraffic);
  const url = URL.parse(address);
  const name = url?.pathname.split('/').at(-1) ?? '';
  const names = splitNames(name);
  if (url === null || names === undefined) {
    const facts = await open(address, (source, fileBytes) => readNamed(address, source, fileBytes));
    return withNameChecked(facts, name);
  }
  const parts = names.map((part) => ({
    name: part,
    open: <Result>(task: (source: ByteSource, fileBytes: number | undefined) => Promise<Result>) =>
      open(sibling(url, part), task),
  }));
  return withNameChecked(await readSplitHeader(parts), name);
}

function remoteOpener(options: RemoteOptions, onTraffic: RemoteHeaderOptions['onTraffic']) {
  const sum = { requests: 0, receivedBytes: 0 };
  return async <Result>(
    address: string,
    task: (source: ByteSource, fileBytes: number | undefined) => Promise<Result>,
  ): Promise<Result> => {
    const remote = await openRemoteFile(address, options);
    try {
      return await task(remote, remote.fileBytes);
    } finally {
      await remote.close();
      sum.requests += remote.requests;
      sum.receivedBytes += remote.receivedBytes;
      onTraffic?.(sum);
    }
  };
}

function sibling(url: URL, name: string): string {
  const other = new URL(url);
  other.pathname = other.pathname.replace(/[^/]*$/, name);
  return other.href;
}

async function readOne(path: string, fileBytes: number): Promise<GgufFacts> {
  return withFile(realDisk, path, (handle) => readNamed(path, fileSource(handle), fileBytes));
}

async function readNamed(name: string, source: ByteSource, fileBytes: number | undefined): Promise<GgufFacts> {
  try {
    return await readGgufHeader(source, fileBytes === undefined ? {} : { fileBytes });
  } catch (error) {
    if (!(error instanceof ProvisionError) || !['bad-gguf', 'truncated-file'].includes(error.code)) throw error;
    throw new ProvisionError(error.code, `${shown(name)}: ${error.message}`, { suggestions: error.suggestions });
  }
}

/** A path as it is, an address without its query. */
function shown(name: string): string {
  const url = URL.canParse(name) ? new URL(name) : undefined;
  return url?.host ? `${url.protocol}//${url.host}${url.pathname}` : name;
}

async function readSplitFiles(folder: string, names: readonly string[]): Promise<GgufFacts> {
  const parts = names.map((name) => ({
    name: join(folder, name),
    open: <Result>(task: (source: ByteSource, fileBytes: number | undefined) => Promise<Result>) =>
      openPart(join(folder, name), task),
  }));
  const facts = await readSplitHeader(parts);
  return { ...facts, parts: (facts.parts ?? []).map((part) => ({ ...part, name: basename(part.name) })) };
}

async function openPart<Result>(
  path: string,
  task: (source: ByteSource, fileBytes: number) => Promise<Result>,
): Promise<Result> {
  try {
    return await withFile(realDisk, path, async (handle) =>
      task(fileSource(handle), Number((await handle.stat({ bigint: true })).size)),
    );
  } catch (error) {
    if (error instanceof ProvisionError) throw error;
    const missing = errnoOf(error) === 'ENOENT';
    throw new ProvisionError(
      missing ? 'source-not-found' : accessCode(error),
      missing ? 'this file of the split model is missing' : messageOf(error),
      { suggestions: ['Put all parts of the model into one folder.'], cause: error },
    );
  }
}

/** Adds a warning where the file's name says another quant than its tensors. */
function withNameChecked(facts: GgufFacts, fileName: string): GgufFacts {
  const named = quantOfName(fileName);
  if (named === undefined || named === facts.declaredQuant) return facts;
  const lie = quantWarning(named, facts.tensors, 'the file’s name says');
  return lie === undefined ? facts : { ...facts, warnings: [...facts.warnings, lie] };
}
