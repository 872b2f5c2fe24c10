import { goesThroughProxyInGo, proxyFor, proxyVariable } from '../../net/proxies.ts';
import { defineCheck } from '../contract.ts';
import type { Env } from '../effects.ts';
import { type Finding, merged, ok, skipped, warning } from '../findings.ts';
import { shown } from '../secrets.ts';
import type { DoctorView } from '../view.ts';

const VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'];

/** Whether a proxy stands between clients and the server, or is missing where the server pulls. */
export const proxy = defineCheck({
  id: 'proxy',
  title: 'Proxy',
  async run(view) {
    if (view.wanted.runtime === 'embedded' || !('endpoint' in view.server)) return skipped('No server is used.');
    const { env } = view;
    const url = new URL(view.server.endpoint);
    const set = VARIABLES.flatMap((name) => proxyVariable(env, [name]) ?? []);
    const told = set.map(({ name, value }) => `${name}=${shown(name, value)}`).join(', ');
    const findings = [...inFrontOf(url, env), ...(await ofTheServer(view, env))];
    return merged([ok(set.length === 0 ? 'No proxy is set here.' : `Set here: ${told}.`), ...findings]);
  },
});

function inFrontOf(url: URL, env: Env): Finding[] {
  const variable = proxyFor(url, env);
  if (variable === undefined) return [];
  const host = url.hostname;
  const remedy = `Add the server to the exceptions: export NO_PROXY=${exceptions(env, host)}`;
  if (goesThroughProxyInGo(url, env)) {
    const clients = 'this tool connects directly, but the ollama command and other clients ask the proxy';
    return [warning(`${variable.name} stands in front of ${host}: ${clients}.`, remedy)];
  }
  const clients = 'this tool and the ollama command connect directly, but curl, Python and other clients ask the proxy';
  return [warning(`${variable.name} stands in front of the server's ${host}: ${clients}.`, remedy)];
}

function exceptions(env: Env, host: string): string {
  const present = proxyVariable(env, ['NO_PROXY'])?.value;
  return [...(present === undefined ? [] : [present]), ...new Set(['localhost', '127.0.0.1', '::1', host])].join(',');
}

/** The server pulls with the proxy of its own environment, not with the one that is set here. */
async function ofTheServer(view: DoctorView, env: Env): Promise<Finding[]> {
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
        `${ours.name} is set here, but not for the server: its pulls go out directly.`,
        `If only the proxy reaches the internet, start the server with ${ours.name} set.`,
      ),
    );
  }
  if (theirs !== undefined && theirs.value !== ours?.value) {
    findings.push(ok(`The server pulls through ${shown(theirs.name, theirs.value)}.`));
  }
  if (plain !== undefined) {
    findings.push(
      warning(
        `The server has ${plain.name}, which pulls never use and which can come between clients and server.`,
        `Start the server with HTTPS_PROXY alone.`,
      ),
    );
  }
  return findings;
}
