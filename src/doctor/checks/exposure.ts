import { isIPv6 } from 'node:net';
import { isLoopback, isWildcard } from '../../hardware/sockets.ts';
import { defineCheck } from '../contract.ts';
import { type Finding, ok, warning } from '../findings.ts';
import type { DoctorView } from '../view.ts';
import { withServer } from '../with-server.ts';

/** Addresses that are tried, and the time that each may take in milliseconds. */
const MOST_ADDRESSES = 8;
const PATIENCE_MS = 1_500;

/** Whether others on the network can use the server: Ollama asks nobody for a password. */
export const exposure = defineCheck({
  id: 'exposure',
  title: 'Exposure',
  run: (view, signal) =>
    withServer(view, async () => {
      if (!view.local()) {
        return ok('The server is used over the network on purpose; it asks for no password, so guard its port.');
      }
      const { socket } = await view.process();
      if (socket !== undefined) {
        const { address, port } = socket;
        return isLoopback(address)
          ? ok(`The server listens on ${address} alone.`)
          : exposed(
              view,
              `The server listens on ${isWildcard(address) ? `every address (${address})` : address}, port ${port}`,
            );
      }
      const found = await answeringAddress(view, signal);
      return found === undefined
        ? ok('The server answers on none of this machine’s network addresses.')
        : exposed(view, `The server answers on ${found}`);
    }),
});

async function exposed(view: DoctorView, what: string): Promise<Finding> {
  const container = (await view.profile().catch(() => undefined))?.os.container;
  const need =
    container === undefined
      ? []
      : [`In a container (${container}) a published port needs that; publish it to loopback: -p 127.0.0.1:11434:11434`];
  const remedies = [
    ...need,
    'Start it with OLLAMA_HOST=127.0.0.1:11434, or keep the port behind a firewall or a proxy that asks for a password.',
  ];
  return warning(
    `${what}: everybody who reaches this machine can use it, read its models and delete them, without a password.`,
    remedies.join('\n'),
  );
}

async function answeringAddress(view: DoctorView, signal: AbortSignal): Promise<string | undefined> {
  if (!('endpoint' in view.server)) return undefined;
  const { port, protocol } = new URL(view.server.endpoint);
  const outer = view.addresses().filter(({ internal }) => !internal);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
  const found = await Promise.all(
    outer.slice(0, MOST_ADDRESSES).map(async ({ address }) => {
      const host = isIPv6(address) ? `[${address}]` : address;
      const answer = await view
        .get(`${protocol}//${host}:${port}/api/version`, { signal: limit })
        .catch(() => undefined);
      return answer?.status === 200 && answer.text.includes('"version"') ? address : undefined;
    }),
  );
  return found.find((address) => address !== undefined);
}
