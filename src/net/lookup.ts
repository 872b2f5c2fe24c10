/** Looking names up for connections, and refusing addresses that a redirect may not lead to. */
import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { mayLead, outermost, type Reach, reachOfAddress } from './reach.ts';

/** Looks up all addresses of a name, as `dns.lookup` of Node does. */
export type LookUp = (
  name: string,
  options: { readonly all: true; readonly family?: number; readonly hints?: number },
  answer: (error: NodeJS.ErrnoException | null, addresses: readonly { address: string; family: number }[]) => void,
) => void;

export const lookUpName: LookUp = (name, options, answer) => systemLookup(name, options, answer);

/** A name that leads to a place where a redirect may not lead. It is judged where the connection is made, by its address. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
}

/**
 * The look-up of a pool. `from`: where the requests of the pool were redirected from; addresses that are nearer to this
 * machine are left out. `found` is called with how near a name turned out to be.
 */
export function judgedLookup(
  lookUp: LookUp,
  from: Reach | undefined,
  found: (name: string, reach: Reach) => void,
): LookupFunction {
  return (name, { all, family, hints }, callback) => {
    const wanted = { ...(typeof family === 'number' && { family }), ...(hints !== undefined && { hints }) };
    lookUp(name, { ...wanted, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const allowed = addresses.filter(({ address }) => from === undefined || mayLead(from, reachOfAddress(address)));
      const [first] = allowed;
      if (first === undefined) {
        const where = addresses.map(({ address }) => address).join(', ');
        return callback(new ForbiddenAddressError(`${name} is ${where || 'no address'}`), '', 0);
      }
      found(name, outermost(allowed.map(({ address }) => reachOfAddress(address))));
      return all === true ? callback(null, [...allowed]) : callback(null, first.address, first.family);
    });
  };
}
