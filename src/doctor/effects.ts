/** What the doctor needs from its surroundings. Every method may fail, hang or return nonsense: the checks handle it. */

import type { Catalog } from '../catalog/load.ts';
import type { Env } from '../core/environment.ts';
import type { ProvisionError } from '../core/errors.ts';
import type { Disk } from '../disk/disk.ts';
import type { HostProfile } from '../hardware/schema.ts';
import type { TextReply } from '../net/text.ts';
import type { Registry } from '../registry/index.ts';
import type { EmbeddedEffects, ServerEffects } from '../runtimes/registry.ts';
import type { Subject } from './subject.ts';

export interface OwnAddress {
  readonly address: string;
  readonly internal: boolean;
}

/** Every source of settings, before precedence is applied. */
export interface Configuration {
  /** Flags as they were typed, without values from the environment. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Env;
  /** Content of config.json; empty when there is no such file. */
  readonly file: Readonly<Record<string, unknown>>;
  readonly filePath: string;
  /** Why config.json cannot be used; the settings in it are missing then. */
  readonly fault?: unknown;
}

export interface DoctorEffects {
  /** `process.platform`. */
  readonly platform: string;
  /** `process.versions.node`. */
  readonly nodeVersion: string;
  /** Absent where the system has no user numbers. */
  readonly uid?: number;
  /** The user's home folder. */
  readonly home: string;
  readonly env: Env;
  readonly paths: { readonly config: string; readonly data: string; readonly cache: string };
  /** A file of this package, whose age tells when it was installed. */
  readonly ownFile: string;
  /** Milliseconds since 1970. */
  now(): number;
  readonly disk: Disk;
  /** One GET without a proxy; fails for a reply that is too long or too slow. */
  get(
    url: string,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly signal: AbortSignal },
  ): Promise<TextReply>;
  /** Addresses of this machine's network interfaces. */
  addresses(): readonly OwnAddress[];
  /** An error for a host that no client can connect to. */
  readonly server: ServerEffects | ProvisionError;
  readonly embedded: EmbeddedEffects;
  readonly registry: Registry;
  readonly configuration: Configuration;
  /** The runtime that `--runtime` selects, and whether an install may use only the server. */
  readonly wanted: Wanted;
  /** Names of models under test begin with this. */
  readonly stagingPrefix: string;
  catalog(): Promise<Catalog>;
  /** What an install without further options would install. Throws `bad-catalog`. */
  subject(): Promise<Subject>;
  profile(): Promise<HostProfile>;
}

export interface Wanted {
  /** False when `--runtime` names a runtime that is not a server. */
  readonly usesServer: boolean;
  /** True when an install would use the server or fail: `--runtime ollama`, or a host on the command line. */
  readonly serverOnly: boolean;
}
