/** Artifacts that belong to another one, at registries with the referrers API and without. */
import { afterEach, expect, test } from 'vitest';
import { createHttp } from '../../../src/net/client.ts';
import { openRepository } from '../../../src/sources/oci/client.ts';
import { findReferrers, putReferrer } from '../../../src/sources/oci/referrers.ts';
import { never } from '../../helpers/failure.ts';
import { hashOf, MANIFEST_TYPE, type OciRegistryOptions, startOciRegistry } from '../../helpers/oci-registry.ts';

const TYPE = 'application/vnd.example.signature';
const SUBJECT = hashOf(Buffer.from('the model'));

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});

async function open(options: OciRegistryOptions = {}) {
  const registry = await startOciRegistry(options);
  const client = createHttp({ env: {} });
  opened.push(registry, client);
  const upload = { http: client.http, sleep: async () => {}, random: () => 0.5 };
  const logins = { find: async () => undefined, helperFor: async () => undefined };
  const repository = openRepository(
    { http: client.http, logins, plainHttp: [registry.host] },
    { host: registry.host, repository: 'models/tiny' },
    'pull,push',
  );
  const put = (name: string, artifactType = TYPE, subject = SUBJECT) => {
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        artifactType,
        config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: hashOf(Buffer.from('{}')), size: 2 },
        layers: [],
        subject: { mediaType: MANIFEST_TYPE, digest: subject, size: 9 },
        annotations: { name },
      }),
    );
    const digest = hashOf(bytes);
    return putReferrer(upload, repository, subject, { digest, bytes, artifactType }, never).then(() => digest);
  };
  const find = async () => (await findReferrers(repository, SUBJECT, TYPE, never)).map(({ digest }) => digest);
  return { registry, put, find };
}

const KINDS: readonly (readonly [string, OciRegistryOptions])[] = [
  ['with the referrers API', { referrersPerPage: 100 }],
  ['with pages of one', { referrersPerPage: 1 }],
  ['without it', {}],
];

test.each(KINDS)(
  'a registry %s: what was put is found, of its type and subject alone, each once',
  async (_, options) => {
    const { put, find } = await open(options);
    expect(await find()).toEqual([]);
    const [a, b] = [await put('a'), await put('b')];
    await put('a');
    await put('other type', 'application/vnd.example.sbom');
    await put('other subject', TYPE, hashOf(Buffer.from('another model')));
    expect((await find()).sort()).toEqual([a, b].sort());
  },
);

test('only a registry without the API gets a tag', async () => {
  const tag = `models/tiny:${SUBJECT.replace(':', '-')}`;
  for (const [, options] of KINDS) {
    const { registry, put } = await open(options);
    await put('a');
    expect(registry.manifests.has(tag)).toBe(options.referrersPerPage === undefined);
  }
});

test.each([400, 405, 501])('a registry that answers %i to the question is one without the API', async (status) => {
  const lie: OciRegistryOptions['lie'] = (line, response) => {
    if (!line.includes('/referrers/')) return false;
    response.writeHead(status).end();
    return true;
  };
  const { put, find } = await open({ lie });
  const digest = await put('a');
  expect(await find()).toEqual([digest]);
});

test('a list without an end, one that goes on elsewhere, and one that is none are refused', async () => {
  const answers: readonly (readonly [string, string, string])[] = [
    ['</v2/models/tiny/referrers/x?at=1>; rel="next"', '{"schemaVersion":2,"manifests":[]}', 'remote-fault'],
    ['<http://127.0.0.1:1/next>; rel="next"', '{"schemaVersion":2,"manifests":[]}', 'remote-fault'],
    ['', '<html>', 'bad-manifest'],
  ];
  for (const [link, body, code] of answers) {
    const { find } = await open({
      lie: (line, response) => {
        if (!line.includes('/referrers/')) return false;
        response.writeHead(200, link === '' ? {} : { link }).end(body);
        return true;
      },
    });
    await expect(find()).rejects.toMatchObject({ code });
  }
});

test('a refusal is not taken for an empty list', async () => {
  const { find } = await open({
    lie: (line, response) => {
      if (!line.includes('/referrers/')) return false;
      response.writeHead(403).end();
      return true;
    },
  });
  await expect(find()).rejects.toMatchObject({ code: 'unauthorised' });
});
