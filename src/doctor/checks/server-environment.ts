import { defineCheck } from '../contract.ts';
import type { Env } from '../effects.ts';
import { type Finding, merged, ok, skipped } from '../findings.ts';
import { shown } from '../secrets.ts';
import { variableFindings } from '../variables.ts';
import type { DoctorView } from '../view.ts';
import { withServer } from '../with-server.ts';

/** Variables that change what the server does: the server's own where they can be seen, else those here. */
export const serverEnvironment = defineCheck({
  id: 'server-environment',
  title: 'Server environment',
  run: (view) =>
    withServer(view, async ({ version }) => {
      const here = `Here: ${listed(view.env)}.`;
      if (!view.local()) return skipped(`${here} The server's own variables show only on its machine.`);
      const { environment, hidden = 'no reason is known', pid } = await view.process();
      if (environment === undefined) {
        // What is set here reaches the server only if it was started from here.
        return skipped(`${here} The server's own variables cannot be seen: ${hidden}.`, remedyFor(view));
      }
      const seen = ok(`The server (process ${pid}) has ${listed(environment)}. ${here}`);
      const findings: readonly Finding[] = variableFindings(environment, version);
      return merged([seen, ...findings]);
    }),
});

function listed(env: Env): string {
  const set = Object.entries(env)
    .filter(([name]) => name.startsWith('OLLAMA_'))
    .map(([name, value = '']) => `${name}=${shown(name, value)}`);
  return set.length === 0 ? 'no OLLAMA_* variable' : set.sort().join(', ');
}

function remedyFor({ platform }: DoctorView): string | undefined {
  return platform === 'linux'
    ? 'Look at them: systemctl show ollama -p Environment, or run doctor as root.'
    : undefined;
}
