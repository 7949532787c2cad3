<?php
/* What twins take from outside: words, the broker's messages and their decoder, options. */
declare(strict_types=1);

function fail(string $program, string $message): never
{
    fwrite(STDERR, "$program: $message\n");
    exit(2);
}

/** Without cycles being looked for there is nothing to compare; the heap may be as large as it gets. */
function need_collector(string $program): void
{
    if (!gc_enabled()) {
        fail($program, 'the cycle collector is switched off (zend.enable_gc=0)');
    }
    ini_set('memory_limit', '-1');
}

/** `--name=value` by the defaults' names and types. */
function read_options(string $program, array $arguments, string $usage, array $options): array
{
    foreach ($arguments as $argument) {
        if ($argument === '--help' || $argument === '-h') {
            echo $usage;
            exit(0);
        }
        $matched = preg_match('/^--([a-z-]+)=(.+)$/', $argument, $match) && isset($options[$match[1]]);
        if (!$matched || (is_int($options[$match[1]]) && !ctype_digit($match[2]))) {
            fail($program, "unexpected argument '$argument'; see --help");
        }
        $options[$match[1]] = is_int($options[$match[1]]) ? (int) $match[2] : $match[2];
    }
    return $options;
}

/* ---- Words ---- */

const VOCABULARY = 'account amount archive author balance basket branch bridge candle carrier category change channel '
    . 'city client comment content country customer delivery draft editor entry event field filter garden harbour '
    . 'history image invoice journal kitchen label language letter market message minute mountain network number '
    . 'office order package parcel payment people picture product quarter question receipt region river season '
    . 'server station summer template ticket travel window winter ';
/** A word and the space behind it, on average. */
const WORD_BYTES = 7.5;

function text_of_length(int $length): string
{
    static $corpus = null;
    $corpus ??= str_repeat(VOCABULARY, 12);
    return substr($corpus, mt_rand(0, 470), $length);
}

/** A text as long as so many words; one string, as a database driver or a C function makes it. */
function words(int $count): string
{
    return text_of_length((int) ($count * WORD_BYTES) - 1);
}

/* ---- Messages ---- */

/** The document of one order. */
function make_message(int $order, int $items): string
{
    $list = [];
    for ($i = 0; $i < $items; $i++) {
        $list[] = sprintf('[%d,%d]', $order * 1000 + $i, mt_rand(1, 9));
    }
    return sprintf(
        '{"id":%d,"customer":"%s","total":%.2f,"gift":%s,"comment":"said \"%s\" \u0026 left\n","items":[%s]}',
        $order,
        words(3),
        mt_rand(0, 99999) / 100,
        mt_rand(0, 7) === 0 ? 'true' : 'null',
        words(4),
        implode(',', $list)
    );
}

function make_item(int $id): string
{
    $gift = mt_rand(0, 7) === 0 ? ',"gift":true}' : '}';
    return sprintf('{"id":%d,"name":"%s","quantity":%d%s', $id, words(2), mt_rand(1, 9), $gift);
}

function make_order(int $id, int $items): string
{
    $list = [];
    for ($i = 0; $i < $items; $i++) {
        $list[] = make_item($id * 1000 + $i);
    }
    return sprintf(
        '{"id":%d,"customer":"%s","status":"%s","total":%.2f,"placed":%d,"comment":"said \"%s\" \u0026 left\n","items":[%s]}',
        $id,
        words(3),
        words(1),
        mt_rand(0, 99999) / 100,
        1700000000 + mt_rand(0, 49999999),
        words(4),
        implode(',', $list)
    );
}

function make_batch(int $job, int $orders, int $items): string
{
    $list = [];
    for ($i = 0; $i < $orders; $i++) {
        $list[] = make_order(1 + $job * $orders + $i, $items);
    }
    return sprintf(
        '{"id":%d,"queue":"%s","job":"App\\\\Jobs\\\\SynchroniseOrders","attempts":null,"tags":["sync","orders"],"orders":[%s]}',
        $job,
        words(1),
        implode(',', $list)
    );
}

/** Each message behind a line with its length. */
function write_messages(string $path, int $count, int $items): void
{
    $text = '';
    for ($order = 1; $order <= $count; $order++) {
        $message = make_message($order, $items);
        $text .= strlen($message) . "\n" . $message;
    }
    if (@file_put_contents($path, $text) !== strlen($text)) {
        fail('write_messages', "$path cannot be written");
    }
}

/** The next message; the first one again after the last. */
function receive_message($stream): string
{
    $length = fgets($stream);
    if ($length === false) {
        rewind($stream);
        $length = fgets($stream);
    }
    return fread($stream, (int) $length);
}

/* ---- The decoder: byte by byte, as message_decode.c ---- */

class MessageDecoder
{
    private int $position = 0;
    private int $length;

    private const ESCAPES = ['"' => '"', '\\' => '\\', '/' => '/', 'n' => "\n", 'r' => "\r", 't' => "\t"];

    public function __construct(private string $text)
    {
        $this->length = strlen($text);
    }

    public function decode(): mixed
    {
        $value = $this->decodeValue();
        if ($this->peek() !== '') {
            throw new UnexpectedValueException("nothing expected at {$this->position}");
        }
        return $value;
    }

    private function peek(): string
    {
        while ($this->position < $this->length) {
            $byte = $this->text[$this->position];
            if ($byte !== ' ' && $byte !== "\n") {
                return $byte;
            }
            $this->position++;
        }
        return '';
    }

    private function accept(string $wanted): bool
    {
        if ($this->peek() !== $wanted) {
            return false;
        }
        $this->position++;
        return true;
    }

    private function expect(string $wanted): void
    {
        if (!$this->accept($wanted)) {
            throw new UnexpectedValueException("'$wanted' expected at {$this->position}");
        }
    }

    private function decodeValue(): mixed
    {
        switch ($this->peek()) {
            case '{':
                return $this->decodeObject();
            case '[':
                return $this->decodeList();
            case '"':
                return $this->decodeString();
            case 't':
                return $this->decodeWord('true', true);
            case 'f':
                return $this->decodeWord('false', false);
            case 'n':
                return $this->decodeWord('null', null);
            default:
                return $this->decodeNumber();
        }
    }

    private function decodeWord(string $word, ?bool $value): ?bool
    {
        if (substr_compare($this->text, $word, $this->position, strlen($word)) !== 0) {
            throw new UnexpectedValueException("'$word' expected at {$this->position}");
        }
        $this->position += strlen($word);
        return $value;
    }

    private function decodeObject(): array
    {
        $this->position++;
        $members = [];
        if ($this->accept('}')) {
            return $members;
        }
        do {
            if ($this->peek() !== '"') {
                throw new UnexpectedValueException("a key expected at {$this->position}");
            }
            $key = $this->decodeString();
            $this->expect(':');
            $members[$key] = $this->decodeValue();
        } while ($this->accept(','));
        $this->expect('}');
        return $members;
    }

    private function decodeList(): array
    {
        $this->position++;
        $elements = [];
        if ($this->accept(']')) {
            return $elements;
        }
        do {
            $elements[] = $this->decodeValue();
        } while ($this->accept(','));
        $this->expect(']');
        return $elements;
    }

    private function decodeString(): string
    {
        $start = ++$this->position;
        $this->position += strcspn($this->text, '"\\', $start);
        if ($this->position >= $this->length) {
            throw new UnexpectedValueException("'\"' expected at {$this->position}");
        }
        $string = substr($this->text, $start, $this->position - $start);
        if ($this->text[$this->position] === '\\') {
            $this->unescape($string);
        }
        $this->position++;
        return $string;
    }

    /** Append the rest of a string, up to its closing quote. */
    private function unescape(string &$string): void
    {
        while (($byte = $this->text[$this->position]) !== '"') {
            if ($byte === '\\') {
                $byte = $this->text[++$this->position];
                if ($byte === 'u') {
                    $byte = chr((int) hexdec(substr($this->text, $this->position + 1, 4)));
                    $this->position += 4;
                } else {
                    $byte = self::ESCAPES[$byte];
                }
            }
            $string .= $byte;
            $this->position++;
        }
    }

    private function decodeNumber(): int|float
    {
        $negative = $this->accept('-');
        $start = $this->position;
        $number = $this->decodeDigits();
        if ($this->position === $start) {
            throw new UnexpectedValueException("a value expected at {$this->position}");
        }
        if ($this->text[$this->position] === '.') {
            $start = ++$this->position;
            $fraction = (float) $this->decodeDigits();
            for ($digits = $this->position - $start; $digits > 0; $digits--) {
                $fraction /= 10;
            }
            $number += $fraction;
        }
        return $negative ? -$number : $number;
    }

    private function decodeDigits(): int
    {
        $number = 0;
        while ($this->position < $this->length) {
            $digit = ord($this->text[$this->position]) - 48;
            if ($digit < 0 || $digit > 9) {
                break;
            }
            $number = $number * 10 + $digit;
            $this->position++;
        }
        return $number;
    }
}
