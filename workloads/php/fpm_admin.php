<?php
/* Twin of the workload fpm-admin: the same table in PHP. README.md says what corresponds to what. */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/twin_requests.php';

const HELP = "  --rows=N, --columns=N, --sections=N, --globals=N   as the workload's options\n";
const DEFAULTS = ['rows' => 88, 'columns' => 10, 'sections' => 225, 'globals' => 140];
const SETTINGS_PER_SECTION = 12;
const FORMS_PER_SECTION = 5;
const SENT_BYTES = 128 * 1024;
const LINKS = 4;
const LINK_ATTRIBUTES = 2;
const CHECKS = 3;
const CLASS_NAMES = 3;
const QUERY_WORDS = 16;
const LINK_KEYS = ['db', 'table', 'pos', 'token', 'lang', 'sql_query', 'where_clause'];
const ATTRIBUTE_STARTS = ['title="', 'data-decimals="', 'data-transformation="',
    'class="data grid_edit click2 not_null" data-type="',
    'class="pma_hide_row nowrap condition" data-original-length="'];

/* Classes: as many properties as the workload's, since size is what matters. */

class Field
{
    public $name, $type, $number, $p3, $p4, $p5, $p6;
}

class Plugin
{
    public $text, $p1;
}

class Template
{
    public $context, $name;
    public $p2, $p3, $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19;
}

class Looker
{
    public $subject, $position, $p2, $p3;
}

class Message
{
    public static int $closed = 0;
    public $number, $p1, $p2;

    public function __destruct()
    {
        self::$closed += $this->number;
    }
}

class Result
{
    public $number, $row, $p2, $p3, $p4, $p5;

    public function __destruct()
    {
        Message::$closed += $this->number;
    }
}

class Admin
{
    private array $words;
    private array $sections = [];
    private array $settings = [];
    private array $globals = [];
    private array $fields = [];

    public function __construct(private array $options)
    {
        $this->words = explode(' ', trim(VOCABULARY));
        for ($i = 0; $i < $options['sections']; $i++) {
            $this->loadSection($i);
        }
        for ($i = 0; $i < $options['globals']; $i++) {
            $this->globals[$this->word($i) . '_' . $i] = words(1);
        }
    }

    private function word(int $number): string
    {
        return $this->words[$number % 64];
    }

    private function hasSetting(int $section, int $name): bool
    {
        $first = $this->word($section);
        $second = $this->word($name);
        $path = match (($section + $name) % 4) {
            0 => "DefaultFunctions/$first/$second",
            1 => "Servers/1/$first/$second/hide_db",
            2 => "Plugins\\Transform\\$first\\$second",
            3 => "Plugins\\Transformations\\Text\\$first\\Plain$second",
        };
        return isset($this->settings[$path]);
    }

    private function askForSetting(int $section, int $name): void
    {
        $arguments = [];
        $arguments[] = $section;
        $arguments[] = $name;
        for ($i = 0; $i < 3; $i++) {
            $this->hasSetting($arguments[0], $arguments[1] + $i);
        }
    }

    private function loadSection(int $number): void
    {
        $name = $this->word($number) . $number;
        $section = [];
        for ($i = 0; $i < SETTINGS_PER_SECTION; $i++) {
            $section[words(1)] = $i % 3 === 0 ? $i : words(1 + $i % 4);
            $this->hasSetting($number, $i);
        }
        for ($i = 0; $i < FORMS_PER_SECTION; $i++) {
            $section[$i] = $form = new Template();
            $values = [];
            for ($j = 0; $j < 3; $j++) {
                $values[LINK_KEYS[$j]] = $j;
                $this->hasSetting($i, $j);
            }
            $form->context = $values;
        }
        $this->sections[$name] = $section;
        $this->settings['settings/' . $name] = words(2);
    }

    /* ---- The cell ---- */

    private function appendAttribute(string &$output, int $number): void
    {
        $attribute = ATTRIBUTE_STARTS[$number % 5];
        for ($i = 0; $i < 3; $i++) {
            $attribute .= $this->word($number + $i);
            $attribute .= $i < 2 ? '-' : '" ';
        }
        $output .= $attribute;
    }

    private function parameters(): array
    {
        $parameters = [];
        foreach (LINK_KEYS as $i => $key) {
            $parameters[$key] = words($i >= 5 ? QUERY_WORDS : 1 + $i % 4);
        }
        return $parameters;
    }

    private function appendLink(string &$link, array $parameters, int $number): void
    {
        $merged = [];
        $progress = $number;
        $reference = &$progress;
        foreach ($parameters as $key => $value) {
            $merged[$key] = $value;
        }
        $merged['goto'] = $number;
        $link .= 'index.php?route=/sql&';
        $position = 0;
        foreach ($merged as $key => $value) {
            if (++$position % 3 !== 0) {
                $encoded = is_string($value) ? '%20' . $value : (string) $value;
                $link .= $key;
                $link .= '=';
                $link .= $encoded;
                $link .= '&';
            }
        }
        $this->askForSetting($number, 1);
        for ($i = 0; $i < LINK_ATTRIBUTES; $i++) {
            $this->appendAttribute($link, $number + $i * 2);
        }
    }

    private function look(mixed $subject, int $position): void
    {
        $looker = new Looker();
        $looker->subject = $subject;
        $looker->position = $position;
    }

    private function printVariable(array $context, int $number, string $key): void
    {
        $value = $context[$key];
        $options = [];
        $options['type'] = $number;
        $arguments = [];
        $arguments[] = $value;
        $escaped = htmlspecialchars($value);
        echo $escaped, ' ';
        unset($escaped, $arguments);
        $this->look($value, $number);
    }

    private function render(int $column, array $context, array &$compiled): string
    {
        $template = new Template();
        $template->context = array_merge($this->globals, $context);
        $template->name = "cell/$column.twig";
        $compiled = [];
        ob_start();
        echo '<td>';
        foreach (['classes', 'value', 'link', 'type'] as $number => $key) {
            $this->printVariable($context, $number, $key);
        }
        echo '</td>';
        return ob_get_clean();
    }

    private function describeField(int $column): void
    {
        $field = new Field();
        $this->fields[] = $field;
        $field->name = words(1);
        $field->type = words(2);
        $field->number = $column;
        for ($i = 0; $i < CHECKS; $i++) {
            $this->askForSetting($column, $i);
        }
    }

    private function escape(string $value): string
    {
        $plugin = new Plugin();
        $plugin->text = htmlspecialchars($value);
        $escaped = str_replace(' ', '&nbsp;', $plugin->text);
        unset($plugin);
        $message = new Message();
        $message->number = strlen($value);
        return $escaped;
    }

    private function classes(string $escaped, int $column): string
    {
        $names = [];
        for ($i = 0; $i < CLASS_NAMES; $i++) {
            $this->look($escaped, $i);
            $names[] = 'grid_edit_' . $this->word(mt_rand(0, 63));
        }
        $classes = implode(' ', $names);
        unset($names);
        $this->appendAttribute($classes, $column);
        $this->appendAttribute($classes, $column * 3);
        return $classes;
    }

    private function cell(int $column, string $value): string
    {
        $this->describeField($column);
        $escaped = $this->escape($value);
        $classes = $this->classes($escaped, $column);
        $link = '';
        $compiled = $kept = [];
        for ($i = 0; $i < LINKS; $i++) {
            $parameters = $this->parameters();
            if (($column + $i) % 2 === 0) {
                $kept[] = $parameters;
            } else {
                $compiled[] = $parameters;
            }
            $this->appendLink($link, $parameters, $column + $i);
        }
        $context = [];
        $context['value'] = $escaped;
        $context['classes'] = $classes;
        $context['link'] = $link;
        $context['type'] = words(1);
        return $this->render($column, $context, $compiled);
    }

    /* ---- The table ---- */

    private function fetchRow(int $number): Result
    {
        $result = new Result();
        $result->number = $number;
        $row = [];
        for ($i = 0; $i < $this->options['columns']; $i++) {
            $row[] = words(1 + $i % 4 * 4);
        }
        $result->row = $row;
        return $result;
    }

    public function run(): string
    {
        $sent = 0;
        $table = '';
        for ($i = 0; $i < $this->options['rows']; $i++) {
            if (strlen($table) >= SENT_BYTES) {
                $sent = crc32($table);
                $table = '';
            }
            $result = $this->fetchRow($i);
            $this->fields = $cells = [];
            foreach ($result->row as $column => $value) {
                $cells[] = $this->cell($column + 1, $value);
            }
            $line = implode("\n", $cells);
            $table .= $line;
            $table .= "</tr>\n";
        }
        return $table . $sent;
    }
}

run_requests('fpm_admin', DEFAULTS, HELP, static function (int $number, array $options): array {
    $admin = new Admin($options);
    return [$admin->run(), [$admin]];
});
