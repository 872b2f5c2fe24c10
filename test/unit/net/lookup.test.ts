/** A name is judged by its address, where the connection is made. */
import nock from 'nock';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createHttp } from '../../../src/net/client.ts';
import { networkFault } from '../../../src/net/errors.ts';
import type { LookUp } from '../../../src/net/lookup.ts';
import type { Reach } from '../../../src/net/reach.ts';
import { never } from '../../helpers/failure.ts';
import { serve, type TestServer } from '../../helpers/http-server.ts';

// Its interceptors refuse every name that is not loopback, before it is looked up.
beforeAll(() => nock.restore());

let server: TestServer | undefined;
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  await server?.close();
});

/** A client that knows these names, and a server on loopback. */
async function client(names: Readonly<Record<string, readonly string[]>>) {
  server = await serve((_request, response) => response.end('here'));
  const { port } = new URL(server.url);
  const lookUp: LookUp = (name, _options, answer) =>
    answer(
      null,
      (names[name] ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  const { http, close } = createHttp({ env: {}, lookUp });
  open.push({ close });
  return async (name: string, from?: Reach) => {
    const reply = await http({ method: 'GET', url: `http://${name}:${port}/`, signal: never, ...(from && { from }) });
    await reply.close();
    return reply.reach;
  };
}

describe('row 13: a name that leads into a private network', () => {
  test.each([
    ['loopback', '127.0.0.1'],
    ['a private network', '10.0.0.1'],
    ['the metadata of a cloud', '169.254.169.254'],
    ['loopback as 6to4', '2002:7f00:1::'],
    ['loopback as an IPv4 address in IPv6 form', '::ffff:127.0.0.1'],
    ['the metadata of a cloud through NAT64', '64:ff9b::a9fe:a9fe'],
    ['multicast', '224.0.0.1'],
  ])('row 13: is not connected to when a public server named it: %s', async (_, address) => {
    const get = await client({ 'inside.example': [address] });
    const thrown = await get('inside.example', 'public').catch((reason: unknown) => reason);
    const fault = networkFault(new URL('http://inside.example/x'), thrown);
    expect(fault).toMatchObject({ code: 'unsafe-redirect', exitCode: 16 });
    expect(fault.message).toContain(`inside.example is ${address}`);
    expect(server?.requests).toEqual([]);
  });

  test('row 13: is connected to when the user named it, and not on that connection for others', async () => {
    const get = await client({ 'inside.example': ['127.0.0.1'] });
    expect(await get('inside.example')).toBe('loopback');
    await expect(get('inside.example', 'public')).rejects.toMatchObject({ name: 'ForbiddenAddressError' });
    await expect(get('inside.example', 'private')).rejects.toMatchObject({ name: 'ForbiddenAddressError' });
    expect(await get('inside.example', 'loopback')).toBe('loopback');
    expect(server?.requests).toHaveLength(2);
  });

  test('row 13: and also has a public address counts as public', async () => {
    const get = await client({ 'both.example': ['127.0.0.1', '2606:4700::1111'] });
    expect(await get('both.example')).toBe('public');
  });

  test('a literal address is where it says', async () => {
    const get = await client({});
    expect(await get('127.0.0.1')).toBe('loopback');
  });
});
