/** Certificates for servers of tests, made when they are wanted: an authority and what it signs, in DER by hand. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** A server certificate by this authority. */
  issue(options?: ServerOptions): Certificate;
}

export interface ServerOptions {
  /** DNS names; `localhost` and 127.0.0.1 unless given. */
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const DAY = 86_400_000;

export function createAuthority(name = 'test authority'): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const dates = [new Date(Date.now() - DAY), new Date(Date.now() + 30 * DAY)] as const;
  const basic = extension('551d13', tlv(0x30, tlv(0x01, Buffer.of(0xff))), true);
  const cert = certificate({
    subject: name,
    issuer: name,
    dates,
    publicKey: keys.publicKey,
    extensions: [basic],
    by: keys.privateKey,
  });
  return {
    cert,
    key: pem(keys.privateKey),
    issue(options = {}) {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const { names = ['localhost'], addresses = ['127.0.0.1'] } = options;
      const others = [
        ...names.map((each) => tlv(0x82, Buffer.from(each, 'ascii'))),
        ...addresses.map((each) => tlv(0x87, Buffer.from(each.split('.').map(Number)))),
      ];
      const issued = certificate({
        subject: names[0] ?? 'server',
        issuer: name,
        dates: [options.notBefore ?? dates[0], options.notAfter ?? dates[1]],
        publicKey: own.publicKey,
        extensions: [extension('551d11', tlv(0x30, ...others), false)],
        by: keys.privateKey,
      });
      return { cert: issued, key: pem(own.privateKey) };
    },
  };
}

interface Parts {
  readonly subject: string;
  readonly issuer: string;
  readonly dates: readonly [Date, Date];
  readonly publicKey: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly by: KeyObject;
}

/** ecdsa-with-SHA256 */
const ALGORITHM = tlv(0x30, tlv(0x06, Buffer.from('2a8648ce3d040302', 'hex')));

function certificate({ subject, issuer, dates, publicKey, extensions, by }: Parts): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const serial = createHash('sha256').update(spki).digest().subarray(0, 8);
  const body = tlv(
    0x30,
    tlv(0xa0, tlv(0x02, Buffer.of(2))),
    tlv(0x02, Buffer.concat([Buffer.of(1), serial])),
    ALGORITHM,
    nameOf(issuer),
    tlv(0x30, timeOf(dates[0]), timeOf(dates[1])),
    nameOf(subject),
    spki,
    tlv(0xa3, tlv(0x30, ...extensions)),
  );
  const signature = tlv(0x03, Buffer.concat([Buffer.of(0), sign('sha256', body, by)]));
  const base64 = tlv(0x30, body, ALGORITHM, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${(base64.match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
}

function extension(oid: string, value: Buffer, critical: boolean): Buffer {
  const flag = critical ? [tlv(0x01, Buffer.of(0xff))] : [];
  return tlv(0x30, tlv(0x06, Buffer.from(oid, 'hex')), ...flag, tlv(0x04, value));
}

function nameOf(common: string): Buffer {
  const attribute = tlv(0x30, tlv(0x06, Buffer.from('550403', 'hex')), tlv(0x0c, Buffer.from(common, 'utf8')));
  return tlv(0x30, tlv(0x31, attribute));
}

/** GeneralizedTime, to the second. */
function timeOf(date: Date): Buffer {
  return tlv(0x18, Buffer.from(`${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`, 'ascii'));
}

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 128) return Buffer.concat([Buffer.of(tag, length), content]);
  const bytes = Buffer.from(length.toString(16).padStart(length > 255 ? 4 : 2, '0'), 'hex');
  return Buffer.concat([Buffer.of(tag, 0x80 | bytes.length), bytes, content]);
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
