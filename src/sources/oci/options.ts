import type { Http } from '../../net/http.ts';
import type { RegistryLogins } from './logins.ts';

/** What talking to registries needs. */
export interface OciOptions {
  readonly http: Http;
  readonly logins: RegistryLogins;
  /** Registries (`host` or `host:port`) that the user wants reached by plain http, passwords included. */
  readonly plainHttp?: readonly string[];
  /** Hosts of token servers that the user trusts with passwords for registries on other hosts. */
  readonly realms?: readonly string[];
}
