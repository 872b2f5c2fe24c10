/** Secrets planted wherever a user may have one; many commands that fail; nothing of them may be seen anywhere. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Home, Q4 } from '../../helpers/cli.ts';
import type { FakeOllama } from '../../helpers/fake-ollama.ts';
import { homeWithOllama } from '../../helpers/home-with-ollama.ts';

const SECRETS = {
  hubToken: 'hf_plantedTokenOfTheHub42',
  hostPassword: 'plantedHost/Passw0rd',
  urlPassword: 'plantedUrlPassw0rd',
  signature: 'planted0123456789abcdefSignature',
  proxyPassword: 'plantedProxyPassw0rd',
  dockerPassword: 'plantedDockerPassw0rd',
  plainToken: 'planted-token-of-a-registry',
} as const;

/** As they are, as Basic sends them, and as an address spells them. */
const FORMS = Object.values(SECRETS).flatMap((secret) => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(`user:${secret}`).toString('base64'),
]);

let home: Home;
let ollama: FakeOllama;
let env: Record<string, string>;
beforeAll(async () => {
  const setup = await homeWithOllama();
  ({ home, ollama } = setup);
  const docker = join(home.path, 'docker');
  mkdirSync(docker);
  const auth = Buffer.from(`user:${SECRETS.dockerPassword}`).toString('base64');
  writeFileSync(join(docker, 'config.json'), JSON.stringify({ auths: { '127.0.0.1:1': { auth } } }));
  env = {
    HF_TOKEN: SECRETS.hubToken,
    HF_ENDPOINT: `http://user:${SECRETS.urlPassword}@127.0.0.1:1`,
    REGISTRY_TOKEN: SECRETS.plainToken,
    OLLAMA_HOST: `http://user:${encodeURIComponent(SECRETS.hostPassword)}@${ollama.host}`,
    https_proxy: `http://user:${SECRETS.proxyPassword}@127.0.0.1:1`,
    http_proxy: `http://user:${SECRETS.proxyPassword}@127.0.0.1:1`,
    DOCKER_CONFIG: docker,
  };
  return setup.remove;
});

const SIGNED = `https://user:${SECRETS.urlPassword}@127.0.0.1:1/m.gguf?X-Amz-Signature=${SECRETS.signature}`;
const DIGEST = `sha256:${'1'.repeat(64)}`;

const COMMANDS: readonly (readonly string[])[] = [
  ['list'],
  ['check', 'gemma-3n-e4b:q5_k_m'],
  ['check', '--from', SIGNED],
  ['doctor'],
  ['recommend', 'gemma-3n-e4b', '--from', SIGNED],
  ['install', '--from', SIGNED, '--digest', DIGEST, '--name', 'x'],
  ['install', '--from', `hf:owner/gated@main/m.gguf`, '--name', 'x'],
  ['install', '--from', `oci:127.0.0.1:1/owner/m:1`, '--name', 'x'],
  ['install', 'tiny-gemma-3n:q4_k_m', '--from', Q4, '--no-smoke'],
  ['lock', '--from', SIGNED, '--digest', DIGEST],
  ['pull', 'oci:127.0.0.1:1/owner/m:1'],
  ['publish', 'tiny-gemma-3n', 'oci:127.0.0.1:1/owner/m:1'],
  ['bundle', 'create', 'tiny-gemma-3n'],
  ['verify'],
  ['repair', 'x'],
  ['gc'],
  ['upgrade', 'x'],
  ['rollback', 'x'],
  ['remove', 'x'],
  ['run', 'x', 'hello'],
  ['smoke', 'x'],
  ['list', '--host', `user:${SECRETS.hostPassword}@127.0.0.1`],
  ['check', '--host', `http://user:${SECRETS.hostPassword}@127.0.0.1:99999/a b`],
  ['check', '--host', `user:${SECRETS.urlPassword}@10.0.0.1`, '--require-tls'],
  ['catalog', 'list', '--catalog', SIGNED],
];

/** Commands whose first question goes to the server. */
const ASKING: ReadonlySet<string> = new Set(['check', 'doctor', 'run', 'smoke', 'remove']);

function hits(text: string): string[] {
  return FORMS.filter((form) => text.includes(form));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function echoing(status: number): FakeOllama['trick'] {
  return (response) => {
    const { authorization = '' } = response.req.headers;
    const error = `refused ${authorization} of http://user:${SECRETS.hostPassword}@server`;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
    return true;
  };
}

describe('row 42: 0 hits of a secret', () => {
  test.each([
    ['a server that works', undefined],
    ['a server that answers 401 and repeats what it was sent', 401],
    ['a server that breaks and repeats what it was sent', 500],
  ] as const)('in what is printed and kept, with %s', { timeout: 180_000 }, async (_what, status) => {
    ollama.trick = status === undefined ? () => false : echoing(status);
    let failures = 0;
    // What a server answers matters to the commands that ask it.
    const commands =
      status === undefined ? COMMANDS : COMMANDS.filter(([name]) => name !== undefined && ASKING.has(name));
    for (const command of commands) {
      for (const mode of ['--json', '--verbose']) {
        const { code, stdout, stderr } = await home.run([...command, mode], { env });
        if (code !== 0) failures += 1;
        expect([command.join(' ').slice(0, 40), hits(stdout), hits(stderr)]).toEqual([
          command.join(' ').slice(0, 40),
          [],
          [],
        ]);
      }
    }
    expect(failures).toBeGreaterThan(commands.length / 2);
    const kept = filesBelow(home.path).filter((path) => !path.includes('/docker/'));
    expect(kept.filter((path) => hits(readFileSync(path, 'latin1')).length > 0)).toEqual([]);
    if (status === undefined) expect(kept.some((path) => path.includes('registry'))).toBe(true);
  });

  test.skipIf(process.platform !== 'linux')(
    'in the arguments of this program and of those that it starts (Linux: /proc)',
    async () => {
      ollama.trick = () => false;
      const { child, ended } = home.start(['install', 'tiny-gemma-3n:q4_k_m', '--runtime', 'embedded'], { env });
      const seen = new Set<string>();
      let running = true;
      void ended.then(() => {
        running = false;
      });
      while (running) {
        for (const line of argumentsBelow(child.pid ?? 0)) seen.add(line);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect((await ended).code).toBe(0);
      // The program itself and the worker that it forked.
      expect(seen.size).toBeGreaterThanOrEqual(2);
      expect([...seen].flatMap(hits)).toEqual([]);
    },
  );
});

/** The command lines of a process and its descendants. */
function argumentsBelow(root: number): string[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readProc(name, 'stat');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    parents.set(Number(name), parent);
  }
  const isBelow = (pid: number): boolean =>
    pid === root || (parents.has(pid) && pid > 1 && isBelow(parents.get(pid) ?? 0));
  return [...parents.keys()].filter(isBelow).map((pid) => readProc(String(pid), 'cmdline'));
}

function readProc(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    // It ended meanwhile.
    return '';
  }
}
