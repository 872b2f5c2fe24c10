import { basename } from 'node:path';
import type { SourceFile } from './plan.ts';

/** The name that its publisher gave a file: it may say which quant it is. */
export function fileNameOf(file: SourceFile): string {
  return file.fileName ?? basename(file.kind === 'file' ? file.path : file.ref);
}

/** Where a file is, for messages. */
export function locationOf(file: SourceFile): string {
  return file.kind === 'remote' || file.immutable === true ? file.ref : file.path;
}
