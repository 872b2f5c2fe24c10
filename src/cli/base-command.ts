import { Command } from '@oclif/core/command';
import * as Flags from '@oclif/core/flags';
import type { Failure } from '../core/failure.ts';
import { drive, type Work } from '../core/progress.ts';
import type { AppContext, AppOptions } from '../provision/context.ts';
import type { Consent } from '../provision/install/licence.ts';
import { realEnvironment } from './app.ts';
import { failureEnvelope, successEnvelope } from './envelope.ts';
import { failureOf, lateInterruption } from './failure.ts';
import { safe } from './redaction.ts';
import { failureText } from './render/failure.ts';
import { type ProgressRenderer, progressRenderer } from './render/progress.ts';
import { Stop } from './stop.ts';
import type { Terminal } from './terminal.ts';

/** Exit code of a question answered with no (check, doctor, smoke, verify, modelfile check). */
export const NEGATIVE_VERDICT = 4;

interface CommonFlags {
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly 'no-color'?: boolean;
  readonly catalog?: string[] | undefined;
  readonly 'catalog-key'?: string[] | undefined;
  readonly 'allow-unsigned'?: boolean | undefined;
  readonly 'require-tls'?: boolean | undefined;
  readonly offline?: boolean | undefined;
}

/** What every command shares: the JSON envelope, exit codes, warnings, progress on stderr, and stopping on signals. */
export abstract class BaseCommand<Data> extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = {
    quiet: Flags.boolean({ char: 'q', description: 'print neither progress nor warnings', helpGroup: 'GLOBAL' }),
    verbose: Flags.boolean({ char: 'v', description: 'print more, and stack traces of bugs', helpGroup: 'GLOBAL' }),
    'no-color': Flags.boolean({ description: 'do not use colours (same as NO_COLOR)', helpGroup: 'GLOBAL' }),
  };

  /** Tests of commands replace it. */
  static environment = realEnvironment;

  readonly #warnings: string[] = [];
  readonly #stop = new Stop({ late: (by) => this.#reportOnce(lateInterruption(by)) });
  #reported = false;
  #app: AppContext | undefined;
  #negative = false;
  #common: CommonFlags = {};

  abstract override run(): Promise<Data>;

  /** Aborted by Ctrl-C and SIGTERM; goes into everything that takes time. */
  protected get signal(): AbortSignal {
    return this.#stop.signal;
  }

  protected get terminal(): Terminal {
    return BaseCommand.environment.terminal({ noColor: this.#common['no-color'] === true });
  }

  /** What the use cases of this run work with, made once. */
  protected async app(flags: CommonFlags): Promise<AppContext> {
    const options = this.appOptions(flags);
    this.#app ??= await BaseCommand.environment.createApp(options);
    return this.#app;
  }

  /** How the user accepts a licence: by the flag, or by answering a question. */
  protected consent(flags: { readonly 'accept-license': boolean }): Consent {
    return {
      accepted: flags['accept-license'],
      confirm: async (licence) => {
        const { confirmLicence } = await import('./licence-prompt.ts');
        return confirmLicence(licence, this.terminal, this.signal);
      },
    };
  }

  /** The options of the application context; also remembers the flags that all commands share. */
  protected appOptions(flags: CommonFlags): AppOptions {
    this.#common = flags;
    return {
      catalogFiles: flags.catalog ?? [],
      ...(flags['catalog-key'] !== undefined && { catalogKeys: flags['catalog-key'] }),
      allowUnsigned: flags['allow-unsigned'] === true,
      ...(flags['require-tls'] !== undefined && { requireTls: flags['require-tls'] }),
      ...(flags.offline !== undefined && { offline: flags.offline }),
      warn: (message) => void this.warn(message),
      version: this.config.version,
      root: this.config.root,
      signal: this.signal,
      // Never its arguments: other users may read what is shown of a lock, and an address may contain a password.
      command: (this.id ?? '').replaceAll(':', ' '),
    };
  }

  /** Runs long work and shows its progress on stderr. Warnings also go into the envelope. */
  protected async progress<Result>(work: Work<Result>): Promise<Result> {
    const renderer = this.#renderer();
    try {
      return await drive(work, (event) => {
        if (event.type === 'warning') this.#warnings.push(safe(event.message));
        renderer.show(event);
      });
    } finally {
      renderer.stop();
    }
  }

  #renderer(): ProgressRenderer {
    const terminal = this.terminal;
    const quiet = this.#common.quiet === true || (this.jsonEnabled() && this.#common.verbose !== true);
    const mode = quiet ? 'none' : terminal.interactive ? 'bar' : 'lines';
    return progressRenderer({ terminal, now: () => performance.now(), mode });
  }

  /** Marks the answer as a no: the data is printed all the same, the exit code is 4 unless another is due. */
  protected negative(exitCode = NEGATIVE_VERDICT): void {
    this.#negative = true;
    process.exitCode = exitCode;
  }

  override warn(input: Error | string): Error | string {
    const message = safe(typeof input === 'string' ? input : input.message);
    this.#warnings.push(message);
    if (!this.jsonEnabled() && this.#common.quiet !== true) this.terminal.err.text(`Warning: ${message}\n`);
    return input;
  }

  override async catch(error: Error): Promise<void> {
    const failure = failureOf(error, {
      interruptedBy: this.#stop.by,
      flags: Object.keys({ ...this.ctor.baseFlags, ...this.ctor.flags, json: true, help: true }),
      variables: this.#variables(),
    });
    process.exitCode = failure.exitCode;
    this.#reportOnce(failure, error);
  }

  /** Flags that are not on the command line and have a variable, with its name. */
  #variables(): ReadonlyMap<string, string> {
    const flags: [string, { readonly env?: string | undefined }][] = Object.entries(this.ctor.flags ?? {});
    const isGiven = (name: string) => this.argv.some((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
    return new Map(flags.flatMap(([name, { env }]) => (env === undefined || isGiven(name) ? [] : [[name, env]])));
  }

  /** A run has one failure: after it is reported, only cleaning up can still be under way. */
  #reportOnce(failure: Failure, error?: Error): void {
    if (!this.#reported) this.#report(failure, error);
    this.#reported = true;
  }

  #report(failure: Failure, error: Error | undefined): void {
    if (this.jsonEnabled()) {
      this.logJson(failureEnvelope(failure, this.#context()));
      return;
    }
    const terminal = this.terminal;
    terminal.err.text(`${failureText(failure, terminal)}\n`);
    if (failure.code === 'bug' && this.argv.some((arg) => arg === '--verbose' || arg === '-v')) {
      terminal.err.text(`${error?.stack ?? ''}\n`);
    }
  }

  override async finally(error: Error | undefined): Promise<void> {
    await this.#app?.close();
    this.#stop.dispose();
    await super.finally(error);
  }

  /** Without the colours of oclif: what scripts read needs none. */
  override logJson(json: unknown): void {
    this.terminal.out.json(json);
  }

  override log(message = ''): void {
    if (!this.jsonEnabled()) this.terminal.out.text(`${message}\n`);
  }

  override toSuccessJson(data: unknown): unknown {
    this.#reported = true;
    return successEnvelope(data, !this.#negative, this.#context());
  }

  #context() {
    return { command: (this.id ?? '').replaceAll(':', ' '), warnings: this.#warnings };
  }
}
