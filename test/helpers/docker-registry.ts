/** Debian's docker-registry (the reference implementation of the distribution spec) on loopback with storage of its own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Path of a program on PATH. */
export function onPath(program: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));
}

export interface DockerRegistry {
  /** `127.0.0.1:1234`. */
  readonly host: string;
  readonly storage: string;
  stop(): Promise<void>;
}

/** With `login`, only that user gets in (Basic). Needs `docker-registry`, and `htpasswd` for a login. */
export async function startDockerRegistry(login?: { user: string; password: string }): Promise<DockerRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'docker-registry-'));
  const port = await freePort();
  const passwords = join(folder, 'htpasswd');
  if (login !== undefined)
    writeFileSync(passwords, execFileSync('htpasswd', ['-Bbn', login.user, login.password], { encoding: 'utf8' }));
  const config = [
    'version: 0.1',
    'log: {level: error, accesslog: {disabled: true}}',
    `storage: {filesystem: {rootdirectory: ${join(folder, 'storage')}}, delete: {enabled: true}}`,
    `http: {addr: 127.0.0.1:${port}}`,
    ...(login === undefined ? [] : [`auth: {htpasswd: {realm: test, path: ${passwords}}}`]),
  ];
  writeFileSync(join(folder, 'config.yml'), `${config.join('\n')}\n`);
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: 'ignore' });
  try {
    await answers(port, child);
  } catch (error) {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    host: `127.0.0.1:${port}`,
    storage: join(folder, 'storage'),
    async stop() {
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      if (child.exitCode === null) {
        child.kill('SIGKILL');
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    const reply = await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined);
    if (reply !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('docker-registry does not answer');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
