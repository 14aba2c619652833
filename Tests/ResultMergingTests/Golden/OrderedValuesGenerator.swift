// OrderedValuesGenerator: the psql script that made OrderedValues. One line a value: type|OID|rank|hex.

enum OrderedValuesGenerator {
    static let sql = #"""
        CREATE TEMP TABLE specification(name text, type text, send text, vals text, number serial);
        INSERT INTO specification(name, type, send, vals) VALUES
        ('bool','bool','boolsend','values (true),(false)'),
        ('"char"','"char"','charsend',$$values ('a'),('b'),(''),('~'),(E'\\377'),(E'\\200'),('A')$$),
        ('int2','int2','int2send','values (0),(1),(-1),(-32768),(32767),(255),(256),(-256)'),
        ('int4','int4','int4send','values (0),(1),(-1),(-2147483648),(2147483647),(65536),(-65536),(255)'),
        ('int8','int8','int8send','values (0::int8),(1),(-1),(-9223372036854775808),(9223372036854775807),
            (4294967296),(-4294967296),(2147483648)'),
        ('oid','oid','oidsend','values (0::oid),(1),(2147483647),(2147483648),(4294967295)'),
        ('float4','float4','float4send',$$values ('0'::float4),('-0'),('1'),('-1'),('NaN'),('Infinity'),
            ('-Infinity'),('1e-45'),('-1e-45'),('3.4028235e38'),('-3.4028235e38'),('0.1'),('1.0000001')$$),
        ('float8','float8','float8send',$$values ('0'::float8),('-0'),('1'),('-1'),('NaN'),('Infinity'),
            ('-Infinity'),('5e-324'),('-5e-324'),('1.7976931348623157e308'),('-1.7976931348623157e308'),('0.1'),
            ('1.0000000000000002') union all select (('x'||substr(md5(g::text),
            1,16))::bit(64)::bigint)::float8 * power(10::float8, g % 60 - 30) from generate_series(1,30) g$$),
        ('numeric','numeric','numeric_send',$$values ('0'::numeric),('0.00'),('1'),('1.0'),('1.000000'),('-1'),
            ('-1.00'),('NaN'),('Infinity'),('-Infinity'),('9999'),('10000'),('9999.9999'),('-9999'),('-10000'),
            ('0.0001'),('0.00001'),('-0.0001'),('-0.00001'),('1e131071'),('-1e131071'),('1e-16383'),('-1e-16383'),
            ('123456789012345678901234567890'),('123456789012345678901234567891'),
            ('123456789012345678901234567890.5'),('100000000000000000000'),('99999999999999999999'),
            ('12345678.12345678'),('12345678.123456780'),('12345678.12345679'),('100010001.0001'),
            ('1000100010001'),('10001000100010001'),('10001000100010002'),('-10001000100010001'),
            ('-10001000100010002'),('10001000100010001.00000000000000000001') union all select
            round((('x'||substr(md5(g::text),1,16))::bit(64)::bigint)::numeric * power(10::numeric, g % 40 - 20),
            g % 25) from generate_series(1,60) g$$),
        ('text','text','textsend',$$values ('' collate "C"),(' '),('a'),('A'),('b'),('ab'),('abcdefgh'),
            ('abcdefghi'),('abcdefgi'),('a '),(E'a\t'),('ä'),('é'),('z'),('漢'),('😀'),(E'\u00ff'),('abcdefgh '),
            (E'abcdefgh\t') union all select substr(md5((g % 9)::text), 1, g % 17) from generate_series(1,40) g$$),
        ('varchar','varchar','varcharsend',$$values ('' collate "C"),('b'),('a'),('aa'),('a '),('ü'),
            ('abcdefghij'),('abcdefghik')$$),
        ('bpchar','bpchar','bpcharsend',$$values (''::bpchar collate "C"),('  '),('a'),('a  '),('a b'),('ab'),
            ('A'),(E'a\t'),('abcdefgh'),('abcdefgh   '),('abcdefghi'),('ä '),('z ')$$),
        ('name','name','namesend',$$values (''::name),('a'),('A'),('abcdefghijklmnopqrstuvwxyz'),
            ('abcdefghijklmnopqrstuvwxyy'),('_'),('é'),('a b')$$),
        ('bytea','bytea','byteasend',$$values ('\x'::bytea),('\x00'),('\x0000'),('\x01'),('\xff'),('\x7f'),
            ('\x80'),('\x0001020304050607'),('\x000102030405060700'),('\x000102030405060708'),
            ('\x00010203040506'),('\xffffffffffffffffff'),('\xffffffffffffffff')$$),
        ('uuid','uuid','uuid_send',$$values ('00000000-0000-0000-0000-000000000000'::uuid),
            ('ffffffff-ffff-ffff-ffff-ffffffffffff'),('00000000-0000-0000-0000-000000000001'),
            ('00000000-0000-0000-8000-000000000000'),('80000000-0000-0000-0000-000000000000'),
            ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12')$$),
        ('date','date','date_send',$$values ('2000-01-01'::date),('infinity'),('-infinity'),('4713-01-01 BC'),
            ('5874897-12-31'),('1999-12-31'),('2024-02-29')$$),
        ('time','time','time_send',$$values ('00:00'::time),('24:00'),('12:34:56.789012'),('12:34:56.789013'),
            ('23:59:59.999999')$$),
        ('timetz','timetz','timetz_send',$$values ('00:00+00'::timetz),('24:00+00'),('12:00+02'),('10:00+00'),
            ('11:00+01'),('10:00:00.000001+00'),('00:00+15:59'),('24:00-15:59'),('08:00-02'),
            ('23:59:59.999999-15:59:59') union all select (time '00:00' + (g * 7919 % 1440) * interval '1
            minute')::text::time at time zone make_interval(hours => g % 9 - 4) from generate_series(1,30) g$$),
        ('timestamp','timestamp','timestamp_send',$$values ('2000-01-01'::timestamp),('infinity'),('-infinity'),
            ('4713-01-01 BC'),('294276-12-31 23:59:59.999999'),('1999-12-31 23:59:59.999999'),
            ('2024-02-29 12:00')$$),
        ('timestamptz','timestamptz','timestamptz_send',$$values ('2000-01-01 00:00+00'::timestamptz),
            ('infinity'),('-infinity'),('2000-01-01 00:00+14'),('2000-01-01 00:00-12'),
            ('294276-12-31 23:59:59.999999+00')$$),
        ('interval','interval','interval_send',$$values ('0'::interval),('1 month'),('30 days'),
            ('29 days 24 hours'),('720 hours'),('1 month -1 microsecond'),('1 month 1 microsecond'),('-1 month'),
            ('-30 days'),('1 year'),('12 months'),('360 days'),('365 days'),('178000000 years'),
            ('-178000000 years'),('100000000 years'),('-100000000 years'),('178000000 years -1 microsecond'),
            ('1 microsecond'),('-1 microsecond'),('1023 microseconds'),('1024 microseconds'),('2147483647 days'),
            ('-2147483648 days'),('2147483647 days 24 hours'),
            ('1 month -30 days') union all select make_interval(months => (g * 7919 % 25) - 12, days => (g *
            104729 % 71) - 35, secs => (g * 1299709 % 200000) - 100000) from generate_series(1,40) g$$),
        ('inet','inet','inet_send',$$values ('0.0.0.0'::inet),('0.0.0.0/0'),('255.255.255.255'),('10.0.0.1'),
            ('10.0.0.1/8'),('10.0.0.0/8'),('10.0.0.0/9'),('10.128.0.0/9'),('10.0.0.2/8'),('192.168.1.0/24'),
            ('192.168.1.1/24'),('192.168.1.1/25'),('192.168.1.128/25'),('::'),('::/0'),('::1'),('fe80::1/64'),
            ('fe80::1/65'),('fe80::2/64'),('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),('2001:db8::/33'),
            ('2001:db8::/32'),('2001:db8:8000::/33') union all select ('10.' || g % 3 || '.' || g % 2 || '.' || g
            % 5 || '/' || (g * 7 % 26 + 7))::inet from generate_series(1,40) g$$),
        ('cidr','cidr','cidr_send',$$values ('10.0.0.0/8'::cidr),('10.0.0.0/9'),('10.128.0.0/9'),('10.1.0.0/16'),
            ('11.0.0.0/8'),('0.0.0.0/0'),('192.168.1.128/25'),('::/0'),('2001:db8::/32'),('2001:db8::/33')$$),
        ('macaddr','macaddr','macaddr_send',$$values ('00:00:00:00:00:00'::macaddr),('ff:ff:ff:ff:ff:ff'),
            ('08:00:2b:01:02:03'),('08:00:2b:01:02:04'),('80:00:00:00:00:00')$$),
        ('macaddr8','macaddr8','macaddr8_send',$$values ('00:00:00:00:00:00:00:00'::macaddr8),
            ('ff:ff:ff:ff:ff:ff:ff:ff'),('08:00:2b:01:02:03:04:05'),('08:00:2b:01:02:03:04:06'),
            ('80:00:00:00:00:00:00:00')$$),
        ('varbit','varbit','varbit_send',$$values (''::varbit),(B'0'),(B'1'),(B'00'),(B'10'),(B'100000000'),
            (B'10000000'),(B'11111111'),(B'0000000000000000000000000000000000000000000000000000000000000000'),
            (B'00000000000000000000000000000000000000000000000000000000000000000'),
            (B'00000000000000000000000000000000000000000000000000000000000000001'),
            (B'000000000000000000000000000000000000000000000000000000000000000000000001')$$),
        ('money','money','cash_send',$$values ('0'::money),('1'),('-1'),('92233720368547758.07'),
            ('-92233720368547758.08'),('0.01')$$),
        ('pg_lsn','pg_lsn','pg_lsn_send',$$values ('0/0'::pg_lsn),('FFFFFFFF/FFFFFFFF'),('0/1'),('1/0'),
            ('7FFFFFFF/FFFFFFFF'),('80000000/0')$$),
        ('xid8','xid8','xid8send',$$values ('0'::xid8),('1'),('18446744073709551615'),('9223372036854775808'),
            ('4294967296')$$);
        CREATE TEMP TABLE result(number serial, name text, type_oid oid, rank int, value text);
        DO $do$
        DECLARE s specification;
        BEGIN
            FOR s IN SELECT * FROM specification ORDER BY number LOOP
                EXECUTE format(
                    'INSERT INTO result(name, type_oid, rank, value)
                     SELECT %L, %L::regtype, dense_rank() OVER (ORDER BY v), encode(%s(v), ''hex'')
                     FROM (SELECT v::%s%s AS v FROM (%s) t(v)) t ORDER BY v',
                    s.name, s.type, s.send, s.type,
                    CASE WHEN s.type IN ('text', 'varchar', 'bpchar') THEN ' COLLATE "C"' END, s.vals);
            END LOOP;
        END $do$;
        SELECT name, type_oid, rank, value FROM result ORDER BY number;
        """#
}
