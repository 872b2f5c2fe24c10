import { EXIT_CODE } from '../core/errors.ts';

interface Streams {
  readonly stdout: NodeJS.EventEmitter;
  readonly stderr: NodeJS.EventEmitter & Pick<NodeJS.WritableStream, 'write'>;
}

/**
 * Decides what happens when a stream of this process cannot be written. A reader of stdout that leaves early (`| head`)
 * has what it wanted. An answer that cannot be written otherwise is lost, which is a fault of the disk behind it. Nobody
 * who reads stderr is needed: an install goes on without showing its progress.
 */
export function survive({ stdout, stderr }: Streams, exit: (code: number) => void): void {
  stderr.on('error', () => undefined);
  let lost = false;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (lost) return;
    lost = true;
    if (error.code === 'EPIPE') return exit(0);
    const why = error.code === 'ENOSPC' || error.code === 'EDQUOT' ? 'the disk is full' : error.message;
    stderr.write(`Error: The answer cannot be written to standard output: ${why}.\n`);
    exit(EXIT_CODE['disk-full']);
  });
}
