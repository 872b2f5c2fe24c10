/** `check`: whether an Ollama server supports a model. Scripts start it once for each host of a fleet. */

import * as z from 'zod';
import { isSupported } from '../../compat/check.ts';
import { Verified } from '../../compat/schema.ts';
import type { Verdict } from '../../compat/verdict.ts';
import { requireVersion } from '../../compat/version.ts';
import { ProvisionError } from '../../core/errors.ts';
import { createHttp } from '../../net/client.ts';
import { askWithin } from '../../net/text.ts';
import { serverAddress } from '../../runtimes/registry.ts';
import type { AppContext } from '../context.ts';
import { isDoubtful, judge } from './judge.ts';
import { askRound, type Round } from './round.ts';
import { type CheckQuestion, resolveTarget, type Wanted } from './target.ts';

export const CheckData = z.strictObject({
  server: z.strictObject({
    version: z.string(),
    /** Base address; `not asked` with `--server-version`. */
    endpoint: z.string(),
  }),
  /** What was asked for; absent when only the server was. */
  target: z
    .strictObject({
      model: z.string().optional(),
      family: z.string().optional(),
      file: z.string().optional(),
      architecture: z.string(),
      quant: z.string().optional(),
    })
    .optional(),
  /** False when a blocking verdict is not ok: exit 4. */
  supported: z.boolean(),
  /** Names under which the server has the model; absent without a model, and where the server did not report it. */
  installed: z.array(z.string()).optional(),
  verdicts: z.array(
    z.strictObject({
      id: z.string(),
      ok: z.boolean(),
      /** True where a "not ok" means that it does not work, false where it is worth knowing. */
      blocking: z.boolean(),
      /** First and last release that behave so, both inclusive. */
      since: z.string().optional(),
      until: z.string().optional(),
      reason: z.string(),
      remedy: z.string().optional(),
      basis: z.enum([...Verified.options, 'unknown']),
    }),
  ),
});
export type CheckData = z.infer<typeof CheckData>;

export interface CheckRequest extends CheckQuestion {
  readonly host?: string | undefined;
  /** Plan for a server of this version; no server is asked. */
  readonly 'server-version'?: string | undefined;
  /** Seconds for everything that is asked; default 10. */
  readonly timeout?: number | undefined;
}

export interface CheckAnswer {
  readonly data: CheckData;
  readonly warnings: readonly string[];
}

/** As long as every command waits for a connection to stand. */
const TIMEOUT_SECONDS = 10;

/** Address of a server that was not asked, with `--server-version`. */
export const NOT_ASKED = 'not asked';

/** One host, one round. Throws what finding a model, reading a file and asking for a version throw elsewhere. */
export async function checkSupport(app: AppContext, request: CheckRequest): Promise<CheckAnswer> {
  refuseContradiction(request);
  const version = request['server-version'];
  if (version !== undefined) requireVersion(version);
  const wanted = await resolveTarget(app, request);
  if (version !== undefined) return answer({ version, endpoint: NOT_ASKED }, wanted, undefined, []);
  const plainHttp: string[] = [];
  const { settings, env, requiresTls } = app;
  const warn = (message: string) => void plainHttp.push(message);
  const host = serverAddress(request, { settings, env, requireTls: requiresTls, warn });
  const { signal } = app.options;
  const { http } = createHttp({ env: {} });
  const { ask, close } = askWithin(http, host, (request.timeout ?? TIMEOUT_SECONDS) * 1000, signal);
  try {
    const round = await askRound({ ask, endpoint: host.url, signal, doubtful: isDoubtful });
    return answer({ version: round.version, endpoint: host.url }, wanted, round, plainHttp);
  } finally {
    close();
  }
}

function refuseContradiction({ model, family }: CheckRequest): void {
  if (model === undefined || family === undefined) return;
  throw new ProvisionError(
    'bad-usage',
    `--family ${family} cannot be used with ${model}: the catalog specifies its family`,
    {
      suggestions: ['Omit one of them.'],
    },
  );
}

function answer(
  server: CheckData['server'],
  wanted: Wanted | undefined,
  round: Round | undefined,
  hostWarnings: readonly string[],
): CheckAnswer {
  const { verdicts, warnings } = judge(server.version, wanted?.target, round?.evidence ?? []);
  const installed = wanted === undefined ? undefined : installedOf(wanted, round);
  return {
    data: {
      server,
      ...(wanted !== undefined && { target: targetData(wanted) }),
      supported: isSupported(verdicts),
      ...(installed !== undefined && { installed }),
      verdicts: verdicts.map(verdictData),
    },
    warnings: [...hostWarnings, ...warnings],
  };
}

function targetData({ model, family, file, target }: Wanted): CheckData['target'] {
  return {
    ...(model !== undefined && { model }),
    ...(family !== undefined && { family }),
    ...(file !== undefined && { file }),
    architecture: target.architecture,
    ...(target.quant !== undefined && { quant: target.quant }),
  };
}

/** Names under which the server has the model: those that `install` gives, and the library's. */
function installedOf({ model, target }: Wanted, round: Round | undefined): string[] | undefined {
  if (model === undefined || round?.installed === undefined) return undefined;
  const { quant, pull } = target;
  const named = (name: string) => (quant === undefined ? name.startsWith(`${model}:`) : name === `${model}:${quant}`);
  return round.installed.filter((name) => named(name) || (quant === undefined && name === pull?.library));
}

/** Field by field: the result is a contract, a verdict may grow. */
function verdictData({
  id,
  ok,
  blocking,
  since,
  until,
  reason,
  remedy,
  basis,
}: Verdict): CheckData['verdicts'][number] {
  return {
    id,
    ok,
    blocking,
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    reason,
    ...(remedy !== undefined && { remedy }),
    basis,
  };
}
