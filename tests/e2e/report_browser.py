"""Open a report in headless Chromium: no error in the console, figures visible, tables that sort and filter.

usage: report_browser.py PAGE.html [SCREENSHOT.png]
"""
import pathlib
import sys

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

TABLES = ("summary-table", "run-table")


def browser():
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1600"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


def column(driver, table, index):
    rows = driver.find_elements(By.CSS_SELECTOR, f"#{table} tbody tr")
    return [row.find_elements(By.TAG_NAME, "td")[index].get_attribute("data-value") for row in rows]


def check_sorting(driver, table):
    """Each column of numbers, up and down; what has no value comes last either way."""
    heads = driver.find_elements(By.CSS_SELECTOR, f"#{table} thead th")
    numeric = [i for i, head in enumerate(heads) if "text" not in (head.get_attribute("class") or "")]
    assert numeric, "no column of numbers"
    for index in numeric:
        for order, is_descending in (("ascending", False), ("descending", True)):
            driver.execute_script("arguments[0].click()", heads[index].find_element(By.TAG_NAME, "button"))
            assert heads[index].get_attribute("aria-sort") == order, (index, order)
            values = column(driver, table, index)
            given = [float(value) for value in values if value]
            assert values[: len(given)] == [value for value in values if value], "what is missing is not last"
            assert given == sorted(given, reverse=is_descending), (index, order, given)


def check_filter(driver, table):
    rows = driver.find_elements(By.CSS_SELECTOR, f"#{table} tbody tr")
    policies = {row.find_elements(By.TAG_NAME, "td")[1].text for row in rows}
    chosen = sorted(policies)[0]
    driver.find_element(By.CSS_SELECTOR, f"input[data-table={table}]").send_keys(chosen)
    visible = [row for row in rows if row.is_displayed()]
    assert visible and all(chosen in row.text for row in visible), "the filter shows other rows"
    assert len(policies) == 1 or len(visible) < len(rows), "the filter hides nothing"


def check_figures(driver):
    images = driver.find_elements(By.CSS_SELECTOR, "figure img")
    for image in images:
        width, height = driver.execute_script("return [arguments[0].naturalWidth, arguments[0].naturalHeight]", image)
        assert width > 100 and height > 100 and image.is_displayed(), image.get_attribute("alt")
    return len(images)


def main(arguments):
    driver = browser()
    try:
        driver.get(pathlib.Path(arguments[0]).resolve().as_uri())
        figures = check_figures(driver)
        if len(arguments) > 1:
            driver.save_screenshot(arguments[1])
        for table in TABLES:
            check_sorting(driver, table)
            check_filter(driver, table)
        wide = driver.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"the page is {wide} pixels wider than the window"
        outside = driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)"
                                        ".filter(name => !name.startsWith('data:'))")
        assert not outside, f"the page asked for {outside}"
        errors = driver.get_log("browser")
        assert not errors, errors
    finally:
        driver.quit()
    print(f"{figures} figures, {len(TABLES)} tables: no errors")


if __name__ == "__main__":
    main(sys.argv[1:])
