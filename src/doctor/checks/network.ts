import { isIPv6 } from 'node:net';
import type { Env } from '../../core/environment.ts';
import { isWildcard } from '../../hardware/server-process.ts';
import { goesThroughProxyInGo, proxyFor, proxyVariable } from '../../net/proxies.ts';
import { isLoopback } from '../../net/reach.ts';
import { defineCheck, type Finding, merged, ok, skipped, warning, withServer } from '../check.ts';
import { shown } from '../secrets.ts';
import type { DoctorView } from '../view.ts';

const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'];

/** Whether a proxy is between clients and the server, or is missing for the server's own downloads. */
export const proxy = defineCheck({
  id: 'proxy',
  title: 'Proxy',
  async run(view) {
    if (!view.wanted.usesServer || !('endpoint' in view.server)) return skipped('No server is used.');
    const { env } = view;
    const url = new URL(view.server.endpoint);
    const set = PROXY_VARIABLES.flatMap((name) => proxyVariable(env, [name]) ?? []);
    const listed = set.map(({ name, value }) => `${name}=${shown(name, value)}`).join(', ');
    const findings = [...proxyBeforeServer(url, env), ...(await serverProxy(view, env))];
    return merged([ok(set.length === 0 ? 'No proxy is set here.' : `Set here: ${listed}.`), ...findings]);
  },
});

function proxyBeforeServer(url: URL, env: Env): Finding[] {
  const variable = proxyFor(url, env);
  if (variable === undefined) return [];
  const host = url.hostname;
  const remedy = `Add the server to the exceptions: export NO_PROXY=${exceptions(env, host)}`;
  if (goesThroughProxyInGo(url, env)) {
    const clients = 'this tool connects directly, but the ollama command and other clients use the proxy';
    return [warning(`${variable.name} applies to ${host}: ${clients}.`, remedy)];
  }
  const clients = 'this tool and the ollama command connect directly, but curl, Python and other clients use the proxy';
  return [warning(`${variable.name} applies to the server's address ${host}: ${clients}.`, remedy)];
}

function exceptions(env: Env, host: string): string {
  const present = proxyVariable(env, ['NO_PROXY'])?.value;
  return [...(present === undefined ? [] : [present]), ...new Set(['localhost', '127.0.0.1', '::1', host])].join(',');
}

/** The server pulls with the proxy of its own environment, not with the one that is set here. */
async function serverProxy(view: DoctorView, env: Env): Promise<Finding[]> {
  const environment = view.local() ? (await view.process()).environment : undefined;
  if (environment === undefined) return [];
  const [ours, theirs, plain] = [
    proxyVariable(env, ['HTTPS_PROXY']),
    proxyVariable(environment, ['HTTPS_PROXY']),
    proxyVariable(environment, ['HTTP_PROXY']),
  ];
  const findings: Finding[] = [];
  if (ours !== undefined && theirs === undefined) {
    findings.push(
      warning(
        `${ours.name} is set here, but not for the server: it pulls without a proxy.`,
        `If the internet is reachable only through the proxy, start the server with ${ours.name} set.`,
      ),
    );
  }
  if (theirs !== undefined && theirs.value !== ours?.value) {
    findings.push(ok(`The server pulls through ${shown(theirs.name, theirs.value)}.`));
  }
  if (plain !== undefined) {
    findings.push(
      warning(
        `The server has ${plain.name}, which pulls never use, and which can come between the server and its clients.`,
        `Start the server with only HTTPS_PROXY set.`,
      ),
    );
  }
  return findings;
}

/** Addresses that are tried, and the time that each may take in milliseconds. */
const MAX_ADDRESSES = 8;
const ADDRESS_TIMEOUT_MS = 1_500;

/** Whether others on the network can use the server: Ollama has no passwords. */
export const exposure = defineCheck({
  id: 'exposure',
  title: 'Exposure',
  run: (view, signal) =>
    withServer(view, async () => {
      if (!view.local()) {
        return ok('The server is used over the network on purpose; it has no password, so protect its port.');
      }
      const { socket } = await view.process();
      if (socket !== undefined) {
        const { address, port } = socket;
        return isLoopback(address)
          ? ok(`The server listens only on ${address}.`)
          : exposedFinding(
              view,
              `The server listens on ${isWildcard(address) ? `every address (${address})` : address}, port ${port}`,
            );
      }
      const found = await answeringAddress(view, signal);
      return found === undefined
        ? ok('The server answers on none of this machine’s network addresses.')
        : exposedFinding(view, `The server answers on ${found}`);
    }),
});

async function exposedFinding(view: DoctorView, what: string): Promise<Finding> {
  const container = (await view.profile().catch(() => undefined))?.os.container;
  const need =
    container === undefined
      ? []
      : [
          `In a container (${container}) a published port requires this; publish it on loopback: -p 127.0.0.1:11434:11434`,
        ];
  const remedies = [
    ...need,
    'Start it with OLLAMA_HOST=127.0.0.1:11434, or put the port behind a firewall or a proxy that requires a password.',
  ];
  return warning(
    `${what}: everyone who can reach this machine can use it, read its models and delete them, without a password.`,
    remedies.join('\n'),
  );
}

async function answeringAddress(view: DoctorView, signal: AbortSignal): Promise<string | undefined> {
  if (!('endpoint' in view.server)) return undefined;
  const { port, protocol } = new URL(view.server.endpoint);
  const outer = view.addresses().filter(({ internal }) => !internal);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ADDRESS_TIMEOUT_MS)]);
  const found = await Promise.all(
    outer.slice(0, MAX_ADDRESSES).map(async ({ address }) => {
      const host = isIPv6(address) ? `[${address}]` : address;
      const answer = await view
        .get(`${protocol}//${host}:${port}/api/version`, { signal: limit })
        .catch(() => undefined);
      return answer?.status === 200 && answer.text.includes('"version"') ? address : undefined;
    }),
  );
  return found.find((address) => address !== undefined);
}
