"""What all widgets of sliders and pictures have in common."""

import threading

import ipywidgets

import vrrae_lab as vl


def test_of_two_threads_the_last_value_wins():
    """JupyterLab's messages come in two threads, and the slower of two pictures may be the older one."""
    slow, go_on = threading.Event(), threading.Event()

    def render(value):
        if value == 1:
            slow.set()
            go_on.wait(10)
        return vl.widgets.View(b"%d" % value)

    slider = ipywidgets.IntSlider(value=0, max=9)
    widget = vl.widgets.SliderPicture(render, [slider])
    threads = [threading.Thread(target=setattr, args=(slider, "value", value)) for value in (1, 2)]
    threads[0].start()
    assert slow.wait(10)
    threads[1].start()
    threads[1].join(0.2)  # without a lock it has drawn by now
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert bytes(widget.image.value) == b"2" and widget.message.value == ""


def test_an_error_is_shown_as_text():
    def render(value):
        raise ValueError("<b>not bold</b>")

    widget = vl.widgets.SliderPicture(render, [ipywidgets.IntSlider()])
    assert "&lt;b&gt;not bold" in widget.message.value
