/** `check`: can this Ollama do it. Made to be started for each of a thousand hosts, so it loads little and says little. */

import { NOT_ASKED } from '../../cli/render/check.ts';
import type { CheckData } from '../../cli/results.ts';
import type { ServiceOptions, Services } from '../../cli/wire.ts';
import { isSupported } from '../../compat/check.ts';
import type { Verdict } from '../../compat/verdict.ts';
import { parseServerVersion } from '../../compat/version.ts';
import { ProvisionError } from '../../core/errors.ts';
import { createHttp } from '../../net/client.ts';
import { askWithin } from '../../net/text.ts';
import { type HostAddress, parseHost, plainHttpWarning, requireTls } from '../../runtimes/ollama/host.ts';
import { resolvePaths } from '../paths.ts';
import { isDoubtful, judge } from './judge.ts';
import { askRound, type Round } from './round.ts';
import { builtinModel, type CheckQuestion, hasOwnFiles, type Wanted } from './target.ts';

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

export interface CheckContext {
  readonly options: ServiceOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Everything that other commands have. Asked for only when a file of the user is to be read. */
  services(): Promise<Pick<Services, 'settings' | 'checkTarget'>>;
}

/** As long as every command waits for a connection to stand. */
const TIMEOUT_SECONDS = 10;

/** One host, one round. Throws what finding a model, reading a file and asking for a version throw elsewhere. */
export async function checkFor(request: CheckRequest, context: CheckContext): Promise<CheckAnswer> {
  refuseContradiction(request);
  const version = request['server-version'];
  if (version !== undefined) requireVersion(version);
  const services = needsServices(request, context) ? await context.services() : undefined;
  const wanted = await wantedBy(request, context, services);
  if (version !== undefined) return answer({ version, endpoint: NOT_ASKED }, wanted, undefined, []);
  const host = parseHost(request.host ?? services?.settings.host ?? context.env.OLLAMA_HOST);
  if (context.options.requireTls ?? services?.settings['require-tls'] ?? false) requireTls(host);
  const { signal } = context.options;
  const { ask, close } = askWithin(
    createHttp({ env: {} }).http,
    host,
    (request.timeout ?? TIMEOUT_SECONDS) * 1000,
    signal,
  );
  try {
    const round = await askRound({ ask, endpoint: host.url, signal, doubtful: isDoubtful });
    return answer({ version: round.version, endpoint: host.url }, wanted, round, [
      ...host.warnings,
      ...plainHttp(host),
    ]);
  } finally {
    close();
  }
}

function plainHttp(host: HostAddress): string[] {
  const warning = plainHttpWarning(host);
  return warning === undefined ? [] : [warning];
}

function refuseContradiction({ model, family }: CheckRequest): void {
  if (model === undefined || family === undefined) return;
  throw new ProvisionError('bad-usage', `${model} has its family in the catalog; --family ${family} has no say`, {
    suggestions: ['Leave one of them out.'],
  });
}

/** A word of the user that says nothing is a slip; of a server it is taken as it is. */
function requireVersion(version: string): void {
  if (parseServerVersion(version).numbers !== undefined) return;
  throw new ProvisionError('bad-usage', `--server-version ${JSON.stringify(version)} is no version of Ollama`, {
    suggestions: ['Write it as `ollama --version` prints it: 0.24.0.'],
  });
}

function needsServices(request: CheckRequest, { options, env }: CheckContext): boolean {
  if (request.from !== undefined || request.family !== undefined || options.catalogFiles.length > 0) return true;
  return hasOwnFiles(resolvePaths(env));
}

function wantedBy(
  request: CheckRequest,
  { options }: CheckContext,
  services: Pick<Services, 'checkTarget'> | undefined,
): Promise<Wanted | undefined> | Wanted | undefined {
  if (services !== undefined) return services.checkTarget(request);
  return request.model === undefined ? undefined : builtinModel(options.root, request.model);
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
